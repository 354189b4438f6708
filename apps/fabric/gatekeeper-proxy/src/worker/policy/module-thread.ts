// A thread for one module of a custom policy; see module-runner.ts.
import { createContext, runInContext, SourceTextModule } from "node:vm";
import { parentPort, workerData } from "node:worker_threads";
import { lockRealm, makeCaller, refuseImport } from "./module-realm.ts";
import type { FromModule, ToModule } from "./module-runner.ts";

type Post = (call: number, isResult: boolean, text: string) => void;
type Caller = (operation: unknown, call: number, input: string) => void;

/** A verdict is a few headers. */
const longestResult = 65_536;

// Given by module-runner.ts.
const { source, name } = workerData as { readonly source: string; readonly name: string };
const port = parentPort;

function say(message: FromModule): void {
  port?.postMessage(message);
}

// Only what the language itself has: no process, no require, no timers, no import.
const context = createContext(Object.create(null), { codeGeneration: { strings: false, wasm: false } });

/**
 * Should the module get hold of an object of this realm after all, it must find nothing: no way to compile code here, and
 * nothing that Node.js adds to the language.
 */
function emptyThisRealm(): void {
  const language = new Set(runInContext("Reflect.ownKeys(globalThis)", context) as readonly PropertyKey[]);
  const samples = [() => undefined, async () => undefined, function* () {}, async function* () {}];
  for (const sample of samples) {
    Object.defineProperty(Object.getPrototypeOf(sample), "constructor", { value: undefined, configurable: false });
  }
  for (const key of Reflect.ownKeys(globalThis)) {
    if (!language.has(key)) Reflect.deleteProperty(globalThis, key);
  }
}

try {
  // What these texts evaluate to is written beside them.
  const createCaller = runInContext(makeCaller, context) as (post: Post) => Caller;
  const importModuleDynamically = runInContext(refuseImport, context) as () => Promise<never>;
  runInContext(lockRealm, context);
  emptyThisRealm();
  const caller = createCaller((call, isResult, text) => {
    if (!isResult) say({ type: "thrown", call, message: text });
    else if (text.length > longestResult) say({ type: "thrown", call, message: "the verdict is too long" });
    else say({ type: "result", call, value: text });
  });
  const module = new SourceTextModule(source, { context, identifier: `policy:${name}`, importModuleDynamically });
  await module.link((specifier: string) => {
    throw new Error(`the module imports ${specifier}; modules of policies import nothing`);
  });
  await module.evaluate();
  // A module's namespace is what it exports.
  const operations = module.namespace as Readonly<Record<string, unknown>>;
  port?.on("message", ({ call, operation, input }: ToModule) => {
    const exported = Object.hasOwn(operations, operation) ? operations[operation] : undefined;
    if (typeof exported === "function") caller(exported, call, input);
    else say({ type: "thrown", call, message: `the module exports no function ${operation}` });
  });
  say({ type: "loaded" });
} catch (error) {
  say({ type: "failed", message: String(error) });
}
