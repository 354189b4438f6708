import { spawn } from "node:child_process";

export type CommandResult =
  | { readonly outcome: "exited"; readonly exitCode: number; readonly stdout: string; readonly stderr: string }
  | { readonly outcome: "missing" };

export interface CommandOptions {
  readonly cwd?: string;
  /** Added to what this process has. */
  readonly env?: NodeJS.ProcessEnv;
  readonly uid?: number;
  readonly gid?: number;
  readonly timeoutMs?: number;
}

/** Run a program to its end. A program that is not installed is an outcome, not an error. */
export async function runCommand(
  command: string,
  args: readonly string[],
  options: CommandOptions = {},
): Promise<CommandResult> {
  const { timeoutMs, env, ...rest } = options;
  const child = spawn(command, args, {
    ...rest,
    ...(env === undefined ? {} : { env: { ...process.env, ...env } }),
    stdio: ["ignore", "pipe", "pipe"],
    ...(timeoutMs === undefined ? {} : { timeout: timeoutMs }),
  });
  let stdout = "";
  let stderr = "";
  child.stdout.setEncoding("utf8").on("data", (text: string) => (stdout += text));
  child.stderr.setEncoding("utf8").on("data", (text: string) => (stderr += text));
  const done = Promise.withResolvers<CommandResult>();
  child.once("error", (error: NodeJS.ErrnoException) =>
    error.code === "ENOENT" ? done.resolve({ outcome: "missing" }) : done.reject(error),
  );
  child.once("close", (exitCode) => done.resolve({ outcome: "exited", exitCode: exitCode ?? -1, stdout, stderr }));
  return done.promise;
}
