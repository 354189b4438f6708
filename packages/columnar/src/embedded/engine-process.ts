import { fork, type ChildProcess } from "node:child_process";
import { setPriority } from "node:os";
import { extname, join } from "node:path";
import { errorFromFault, unavailable, type EngineFault } from "../columnar-errors.ts";
import type { EngineAnswer, EngineRequest } from "./protocol.ts";

/** .ts in a checkout, .js in an image, where it stands beside the program. */
const program = join(import.meta.dirname, `columnar-engine${extname(import.meta.filename)}`);

/** The engine runs statements on this pool, four threads by default: as many statements would stop all the others. */
const threadPoolSize = 16;
/** Merges and questions take every core there is: who receives, and the message bus beside it, go first. */
const niceness = 10;
const keptDiagnostics = 4_096;

type WithoutId<R> = R extends EngineRequest ? Omit<R, "id"> : never;
export type EngineCall = WithoutId<EngineRequest>;

/** How the engine's process ended. */
export interface EngineExit {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  /** The end of what it wrote to its standard error. */
  readonly diagnostics: string;
}

export class EngineFailure extends Error {
  override readonly name = "EngineFailure";
  readonly fault: EngineFault;

  constructor(fault: EngineFault) {
    super(fault.text);
    this.fault = fault;
  }
}

/** One process with the engine in it, from its start to its end. */
export interface EngineProcess {
  readonly pid: number | undefined;
  readonly exited: Promise<EngineExit>;
  /**
   * @throws EngineFailure what the engine answered; DrawbridgeError `COLUMNAR_UNAVAILABLE` when the process ended before
   * it answered, and what was asked may or may not have been done.
   */
  call(
    request: EngineCall,
    signal?: AbortSignal,
  ): Promise<{ readonly id: number; readonly body: Uint8Array | undefined }>;
  /** Resolves when nothing that was asked is without an answer. */
  drained(): Promise<void>;
  kill(): void;
}

interface Pending {
  readonly settled: PromiseWithResolvers<Uint8Array | undefined>;
}

export function startEngineProcess(workingDirectory: string): EngineProcess {
  const child = fork(program, [], {
    cwd: workingDirectory,
    env: { UV_THREADPOOL_SIZE: String(threadPoolSize), TZ: "UTC", HOME: workingDirectory },
    execArgv: [],
    serialization: "advanced",
    stdio: ["ignore", "ignore", "pipe", "ipc"],
  });
  if (child.pid !== undefined) setPriority(child.pid, niceness); // before it has threads, which inherit it
  const pending = new Map<number, Pending>();
  const exit = Promise.withResolvers<EngineExit>();
  let diagnostics = "";
  let isOver = false;
  let lastId = 0;

  function end(code: number | null, signal: NodeJS.Signals | null): void {
    if (isOver) return;
    isOver = true;
    const why = diagnostics.split("\n").find((line) => line.includes("Error: "));
    const gone = new Error(
      `the engine's process ended with ${signal ?? String(code)}${why === undefined ? "" : `: ${why}`}`,
    );
    for (const { settled } of pending.values()) settled.reject(unavailable(gone));
    pending.clear();
    exit.resolve({ code, signal, diagnostics });
  }

  child.stderr?.setEncoding("utf8").on("data", (text: string) => {
    diagnostics = (diagnostics + text).slice(-keptDiagnostics);
  });
  child.on("message", (message) => {
    // What comes over the channel was sent by our own columnar-engine.ts.
    const answer = message as EngineAnswer;
    const request = pending.get(answer.id);
    if (request === undefined) return;
    pending.delete(answer.id);
    if (answer.outcome === "done") request.settled.resolve(answer.body);
    else request.settled.reject(new EngineFailure(answer.fault));
  });
  child.on("error", () => end(null, null)); // it could not be started or told something: its channel is of no use
  child.on("close", end);

  function post(request: EngineRequest): void {
    if (isOver || !child.connected) throw unavailable(new Error("the engine's process is gone"));
    child.send(request, (error) => {
      if (error !== null) kill(child);
    });
  }

  return {
    pid: child.pid,
    exited: exit.promise,
    async call(request, signal) {
      signal?.throwIfAborted();
      lastId += 1;
      const id = lastId;
      const settled = Promise.withResolvers<Uint8Array | undefined>();
      post({ ...request, id });
      pending.set(id, { settled });
      const cancel = (): void => {
        if (!isOver && child.connected) post({ kind: "cancel", id });
      };
      signal?.addEventListener("abort", cancel, { once: true });
      try {
        return { id, body: await settled.promise };
      } catch (error) {
        signal?.throwIfAborted();
        throw error;
      } finally {
        signal?.removeEventListener("abort", cancel);
      }
    },
    async drained() {
      while (pending.size > 0) await Promise.allSettled([...pending.values()].map(({ settled }) => settled.promise));
    },
    kill: () => kill(child),
  };
}

function kill(child: ChildProcess): void {
  child.kill("SIGKILL");
}

/** Whatever a call of the engine rejected with, as it crosses our door. */
export function errorFromEngine(error: unknown, work: "read" | "write"): unknown {
  return error instanceof EngineFailure ? errorFromFault(error.fault, work) : error;
}
