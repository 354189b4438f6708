import { spawn } from "node:child_process";
import { once } from "node:events";
import { connect } from "node:net";
import { setTimeout as pause } from "node:timers/promises";

export interface Child extends AsyncDisposable {
  readonly pid: number;
  /** First line that it wrote. */
  readonly firstLine: Promise<string>;
}

/** A process on one core. */
export function startOnCore(core: number, command: string, args: readonly string[]): Child {
  const child = spawn("taskset", ["-c", String(core), command, ...args], { stdio: ["ignore", "pipe", "inherit"] });
  const line = Promise.withResolvers<string>();
  let text = "";
  child.stdout.on("data", (bytes: Buffer) => {
    text += bytes.toString();
    if (text.includes("\n")) line.resolve(text.split("\n", 1)[0] ?? "");
  });
  const gone = once(child, "exit");
  return {
    pid: child.pid ?? 0,
    firstLine: line.promise,
    async [Symbol.asyncDispose]() {
      child.kill("SIGTERM");
      await Promise.race([gone, pause(3_000, undefined, { ref: false })]);
      child.kill("SIGKILL");
    },
  };
}

/** What it writes, when it has ended. */
export async function runOnCore(core: number, command: string, args: readonly string[]): Promise<string> {
  const child = spawn("taskset", ["-c", String(core), command, ...args], { stdio: ["ignore", "pipe", "inherit"] });
  let text = "";
  child.stdout.on("data", (bytes: Buffer) => (text += bytes.toString()));
  const [code] = (await once(child, "close")) as [number | null];
  if (code !== 0) throw new Error(`${command} ended with ${code}: ${text}`);
  return text;
}

export async function untilListening(port: number): Promise<void> {
  for (let attempt = 0; attempt < 200; attempt += 1) {
    const socket = connect({ port, host: "127.0.0.1" });
    const isOpen = await once(socket, "connect").then(
      () => true,
      () => false,
    );
    socket.destroy();
    if (isOpen) return;
    await pause(100);
  }
  throw new Error(`nothing listens on port ${port}`);
}
