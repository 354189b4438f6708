import { fullJitterDelayMs, type Clock, type HealthCheck, type Random } from "@drawbridge/lifecycle";
import { unavailable } from "../columnar-errors.ts";
import type { ColumnarLogger } from "../columnar-logger.ts";
import { assertNotLocked } from "./directory-lock.ts";
import { EngineFailure, startEngineProcess, type EngineExit, type EngineProcess } from "./engine-process.ts";
import type { EngineConfiguration } from "./protocol.ts";

export interface SupervisorDeps {
  readonly workingDirectory: string;
  readonly configuration: EngineConfiguration;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: ColumnarLogger;
}

/** Keeps one engine process alive. */
export interface EngineSupervisor {
  /** Resolves with the first process that opened the directory. */
  start(signal: AbortSignal): Promise<void>;
  stop(deadline: AbortSignal): Promise<void>;
  /** The open process. @throws DrawbridgeError `COLUMNAR_UNAVAILABLE` while there is none. */
  current(): EngineProcess;
  readonly health: HealthCheck;
}

type State =
  | { readonly phase: "stopped" }
  | { readonly phase: "down"; readonly why: string }
  | { readonly phase: "up"; readonly engine: EngineProcess };

/** A process that was killed a moment ago may still hold the directory. */
const lockPatienceMs = 3_000;
const backoff = { baseMs: 200, capMs: 10_000 };
/** An engine that lived this long did not die of its start. */
const soundAfterMs = 60_000;

export function createEngineSupervisor(deps: SupervisorDeps): EngineSupervisor {
  const { clock, logger } = deps;
  const stopping = new AbortController();
  let state: State = { phase: "stopped" };
  let supervision: Promise<void> = Promise.resolve();

  /** Starts one process and waits until it has the directory. */
  async function launch(signal: AbortSignal): Promise<EngineProcess> {
    signal.throwIfAborted();
    const engine = startEngineProcess(deps.workingDirectory);
    const kill = (): void => engine.kill();
    signal.addEventListener("abort", kill, { once: true });
    try {
      await engine.call({ kind: "open", configuration: deps.configuration });
      return engine;
    } catch (error) {
      engine.kill();
      const { diagnostics } = await engine.exited;
      signal.throwIfAborted();
      await assertNotLocked(deps.configuration.dataDirectory, engine.pid);
      if (!(error instanceof EngineFailure)) throw error;
      throw unavailable(new Error(`the engine did not open: ${error.message}\n${diagnostics}`));
    } finally {
      signal.removeEventListener("abort", kill);
    }
  }

  async function launchPatiently(signal: AbortSignal): Promise<EngineProcess> {
    const until = clock.monotonicMs() + lockPatienceMs;
    for (;;) {
      try {
        return await launch(signal);
      } catch (error) {
        signal.throwIfAborted();
        if (clock.monotonicMs() >= until) throw error;
        await clock.sleep(backoff.baseMs, signal);
      }
    }
  }

  async function supervise(first: EngineProcess): Promise<void> {
    let engine = first;
    let deaths = 0;
    for (;;) {
      const upSinceMs = clock.monotonicMs();
      state = { phase: "up", engine };
      const exit = await engine.exited;
      if (stopping.signal.aborted) return;
      deaths = clock.monotonicMs() - upSinceMs > soundAfterMs ? 0 : deaths + 1;
      state = { phase: "down", why: describe(exit) };
      logger.error({ pid: engine.pid, exit_code: exit.code, signal: exit.signal }, "columnar engine died");
      const replacement = await relaunch(deaths);
      if (replacement === undefined) return;
      engine = replacement;
      logger.info({ pid: engine.pid }, "columnar engine is back");
    }
  }

  async function relaunch(deaths: number): Promise<EngineProcess | undefined> {
    for (let attempt = deaths - 1; !stopping.signal.aborted; attempt += 1) {
      try {
        if (attempt >= 0) {
          const delayMs = fullJitterDelayMs({ attempt, ...backoff, random: deps.random });
          await clock.sleep(delayMs, stopping.signal);
        }
        return await launch(stopping.signal);
      } catch (error) {
        if (stopping.signal.aborted) return undefined;
        const why = error instanceof Error ? error.message : String(error);
        state = { phase: "down", why };
        logger.warn({ err: error }, "columnar engine did not start, trying again");
      }
    }
    return undefined;
  }

  return {
    async start(signal) {
      supervision = supervise(await launchPatiently(signal));
    },
    async stop(deadline) {
      stopping.abort(new Error("the columnar store is stopping"));
      const last = state;
      state = { phase: "stopped" };
      if (last.phase === "up") await closeEngine(last.engine, deadline);
      await supervision;
    },
    current() {
      if (state.phase === "up") return state.engine;
      throw unavailable(new Error(state.phase === "down" ? state.why : "the columnar store is not started"));
    },
    health: () =>
      state.phase === "up" ? undefined : `columnar engine: ${state.phase === "down" ? state.why : "not started"}`,
  };
}

async function closeEngine(engine: EngineProcess, deadline: AbortSignal): Promise<void> {
  const kill = (): void => engine.kill();
  deadline.addEventListener("abort", kill, { once: true });
  if (deadline.aborted) kill();
  await engine.drained();
  // Whether it answers or dies first, it is gone afterwards; the directory survives both.
  await engine.call({ kind: "close" }).catch(() => undefined);
  await engine.exited;
  deadline.removeEventListener("abort", kill);
}

function describe({ code, signal, diagnostics }: EngineExit): string {
  const last = diagnostics.trim().split("\n").at(-1) ?? "";
  return `its process ended with ${signal ?? `code ${String(code)}`}${last === "" ? "" : `: ${last.slice(0, 300)}`}`;
}
