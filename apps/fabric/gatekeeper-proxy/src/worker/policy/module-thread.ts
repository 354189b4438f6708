// A thread for one module of a custom policy; see module-runner.ts.
import { createContext, SourceTextModule } from "node:vm";
import { parentPort, workerData } from "node:worker_threads";
import type { FromModule, ToModule } from "./module-runner.ts";

// Given by module-runner.ts.
const { source, name } = workerData as { readonly source: string; readonly name: string };

// Only what the language itself has: no process, no require, no timers, no import.
const context = createContext(Object.create(null), { codeGeneration: { strings: false, wasm: false } });

function say(message: FromModule): void {
  parentPort?.postMessage(message);
}

try {
  const module = new SourceTextModule(source, { context, identifier: `policy:${name}` });
  await module.link((specifier: string) => {
    throw new Error(`the module imports ${specifier}; modules of policies import nothing`);
  });
  await module.evaluate();
  // A module's namespace is what it exports.
  const operations = module.namespace as Readonly<Record<string, unknown>>;
  parentPort?.on("message", ({ call, operation, input }: ToModule) => {
    const run = async (): Promise<unknown> => {
      const exported = operations[operation];
      if (typeof exported !== "function") throw new TypeError(`the module exports no function ${operation}`);
      return exported(input);
    };
    run()
      .then((value) => say({ type: "result", call, value }))
      .catch((error: unknown) => say({ type: "thrown", call, message: String(error) }));
  });
  say({ type: "loaded" });
} catch (error) {
  say({ type: "failed", message: String(error) });
}
