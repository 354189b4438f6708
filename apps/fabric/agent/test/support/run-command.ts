import { spawn } from "node:child_process";
import { join } from "node:path";
import { programEnvironment } from "@drawbridge/testkit";

export interface CommandResult {
  /** undefined when a signal ended it. */
  readonly exitCode: number | undefined;
  readonly signal: string | undefined;
  readonly out: string;
  readonly err: string;
}

export interface CommandOptions {
  readonly env?: Readonly<Record<string, string>>;
  readonly input?: string;
  /** Another program than the agent itself. */
  readonly program?: string;
  /** User and group of the process; takes root. */
  readonly uid?: number;
  /** Called with the pid at once. */
  readonly onPid?: (pid: number) => void;
}

/** Run the real program in a process of its own, with no environment but what is given. */
export async function runAgentCommand(args: readonly string[], options: CommandOptions = {}): Promise<CommandResult> {
  const program = options.program ?? join(import.meta.dirname, "../../src/main.ts");
  const child = spawn(process.execPath, [program, ...args], {
    env: { ...programEnvironment(), ...options.env },
    stdio: ["pipe", "pipe", "pipe"],
    ...(options.uid !== undefined && { uid: options.uid, gid: options.uid }),
  });
  if (child.pid !== undefined) options.onPid?.(child.pid);
  let out = "";
  let err = "";
  child.stdout.on("data", (chunk: Buffer) => (out += chunk.toString("utf8")));
  child.stderr.on("data", (chunk: Buffer) => (err += chunk.toString("utf8")));
  child.stdin.on("error", () => undefined); // it may end before it has read everything
  child.stdin.end(options.input ?? "");
  const ended = Promise.withResolvers<CommandResult>();
  child.on("close", (code, signal) =>
    ended.resolve({ exitCode: code ?? undefined, signal: signal ?? undefined, out, err }),
  );
  return ended.promise;
}
