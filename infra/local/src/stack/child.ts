import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { closeSync, openSync, mkdirSync } from "node:fs";
import { dirname, resolve } from "node:path";
import { fileURLToPath } from "node:url";

export const repositoryRoot = resolve(dirname(fileURLToPath(import.meta.url)), "../../../..");

/** What a child may inherit from us: nothing that could change what it does. */
export function cleanEnvironment(): Record<string, string> {
  const kept = ["PATH", "HOME", "LANG", "TZ", "TMPDIR", "NODE_COMPILE_CACHE"];
  return Object.fromEntries(
    kept.flatMap((name) => (process.env[name] === undefined ? [] : [[name, process.env[name]]])),
  );
}

export interface ProgramOptions {
  /** Path below the repository's root. */
  readonly program: string;
  readonly args?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  /** Handed in on standard input. */
  readonly input?: string;
  readonly cwd?: string;
  readonly timeoutMs?: number;
}

export interface ProgramResult {
  readonly exitCode: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Run one of our programs to its end. */
export async function runProgram(options: ProgramOptions): Promise<ProgramResult> {
  const child = spawn(process.execPath, [resolve(repositoryRoot, options.program), ...(options.args ?? [])], {
    cwd: options.cwd ?? repositoryRoot,
    env: { ...cleanEnvironment(), ...options.env },
    stdio: ["pipe", "pipe", "pipe"],
    timeout: options.timeoutMs ?? 120_000,
    killSignal: "SIGKILL",
  });
  let stdout = "";
  let stderr = "";
  child.stdout.setEncoding("utf8").on("data", (text: string) => (stdout += text));
  child.stderr.setEncoding("utf8").on("data", (text: string) => (stderr += text));
  child.stdin.on("error", () => undefined); // the child may end without reading its input
  child.stdin.end(options.input ?? "");
  const [code, signal] = (await once(child, "close")) as [number | null, NodeJS.Signals | null];
  return { exitCode: code ?? 1, stdout, stderr: signal ? `${stderr}\nended by ${signal}` : stderr };
}

/** Start a long-running program; its output goes to a log file. */
export function startProgram(options: ProgramOptions & { readonly logFile: string }): ChildProcess {
  mkdirSync(dirname(options.logFile), { recursive: true });
  const log = openSync(options.logFile, "a", 0o600);
  try {
    return spawn(process.execPath, [resolve(repositoryRoot, options.program), ...(options.args ?? [])], {
      cwd: options.cwd ?? repositoryRoot,
      env: { ...cleanEnvironment(), ...options.env },
      stdio: ["ignore", log, log],
    });
  } finally {
    closeSync(log);
  }
}
