import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { freePort } from "@drawbridge/local";
import { programEnvironment } from "./program-environment.ts";
import { untilReady } from "./until-ready.ts";

/** A real service of the control plane, as a process of its own. */
export interface ControlPlaneProcess extends AsyncDisposable {
  /** Until /readyz answers 200 and all its listeners are open. */
  start(): Promise<void>;
  kill(): Promise<void>;
  /** Run another of its programs to its end. @throws Error with all that it wrote if that was a failure */
  run(program: string, env: Readonly<Record<string, string>>): Promise<void>;
  /** All that it wrote. */
  output(): string;
}

/** Folder of a service's code. */
export function serviceHome(name: string): string {
  return fileURLToPath(new URL(`../../../apps/control-plane/${name}`, import.meta.url));
}

/** A file that only its owner reads; its path. */
export async function privateFile(dir: string, name: string, content: string): Promise<string> {
  const path = join(dir, name);
  await writeFile(path, content, { mode: 0o600 });
  return path;
}

/** Begins when `start` is called. `env` is all that the service gets, beside PATH and a free ops port. */
export async function createControlPlaneProcess(options: {
  readonly name: string;
  readonly env: Readonly<Record<string, string>>;
}): Promise<ControlPlaneProcess> {
  const { name } = options;
  const opsPort = await freePort();
  let written = "";
  let child: ChildProcess | undefined;

  function launch(program: string, env: Readonly<Record<string, string>>): ChildProcess {
    const launched = spawn(process.execPath, [join(serviceHome(name), "src", program)], {
      env: { ...programEnvironment(), ...env },
      stdio: ["ignore", "pipe", "pipe"],
    });
    for (const stream of [launched.stdout, launched.stderr])
      stream.on("data", (data) => void (written += String(data)));
    return launched;
  }

  const service: ControlPlaneProcess = {
    output: () => written,
    start: async () => {
      const before = written.length;
      const started = launch("main.ts", { DRAWBRIDGE_OPS_LISTEN: `127.0.0.1:${opsPort}`, ...options.env });
      child = started;
      await untilReady({
        url: `http://127.0.0.1:${opsPort}/readyz`,
        child: started,
        output: () => written.slice(before),
      });
      while (!written.slice(before).includes('"msg":"started"')) await once(started.stdout ?? started, "data");
    },
    kill: async () => {
      if (!child || child.exitCode !== null || child.signalCode !== null) return;
      const closed = once(child, "close");
      child.kill("SIGKILL");
      await closed;
    },
    run: async (program, env) => {
      const [exitCode] = (await once(launch(program, env), "close")) as [number | null]; // "close" gives code and signal
      if (exitCode !== 0) throw new Error(`${program} of ${name} failed:\n${written}`);
    },
    [Symbol.asyncDispose]: () => service.kill(),
  };
  return service;
}
