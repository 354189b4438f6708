import { flushCompileCache } from "node:module";
import type { Health } from "./health.ts";

/** A part of a process with a life of its own. */
export interface Component {
  readonly name: string;
  /** Resolves when ready to do work. Rejecting aborts start-up and stops what already started. */
  start(signal: AbortSignal): Promise<void>;
  /** Finish in-flight work, then release. `deadline` aborts when time is up. Idempotent. */
  stop(deadline: AbortSignal): Promise<void>;
}

/** The part of a pino logger that the run loop needs. */
export interface LifecycleLogger {
  info(fields: object, message: string): void;
  error(fields: object, message: string): void;
  fatal(fields: object, message: string): void;
}

export interface RunOptions {
  readonly logger: LifecycleLogger;
  readonly health?: Health;
  /** How long load balancers need to see that we are not ready. Default 0. */
  readonly lameDuckMs?: number;
  /** Something in the process asks for its orderly end; resolves with the exit code. */
  readonly exitRequested?: Promise<number>;
  /** Time for an orderly stop. Default 25 s: Kubernetes kills after 30 s. */
  readonly stopTimeoutMs?: number;
}

/** Start in order. If one rejects, what already started is stopped in reverse and the error is thrown. */
export async function startComponents(components: readonly Component[], signal: AbortSignal): Promise<void> {
  const started: Component[] = [];
  try {
    for (const component of components) {
      signal.throwIfAborted();
      await component.start(signal);
      started.push(component);
    }
  } catch (error) {
    // The error of the start is the one to report, whatever happens on the way down.
    await stopInReverse(started, { timeoutMs: 5_000, onFailure: () => undefined });
    throw error;
  }
}

/**
 * Run components until SIGTERM or SIGINT, then stop them in reverse order. Resolves with the exit code: 0 after an
 * orderly stop, 1 when something hung (named in the log), failed to start, or an error went unhandled. A second signal
 * exits at once.
 */
export async function runUntilSignal(components: readonly Component[], options: RunOptions): Promise<number> {
  const { logger, health } = options;
  const aborting = new AbortController();
  const stopRequested = Promise.withResolvers<{ readonly exitCode: number }>();

  const onSignal = (signal: NodeJS.Signals): void => {
    if (aborting.signal.aborted) process.exit(1);
    logger.info({ signal }, "stopping");
    aborting.abort(new Error(`received ${signal}`));
    stopRequested.resolve({ exitCode: 0 });
  };
  const onUnhandled = (error: unknown): void => {
    logger.fatal({ err: error }, "unhandled error, exiting");
    process.exit(1);
  };
  void options.exitRequested?.then((exitCode) => {
    logger.info({ exit_code: exitCode }, "stopping, as asked from within");
    aborting.abort(new Error("the process asked for its end"));
    stopRequested.resolve({ exitCode });
  });
  process.on("SIGTERM", onSignal).on("SIGINT", onSignal);
  process.on("uncaughtException", onUnhandled).on("unhandledRejection", onUnhandled);

  try {
    await startComponents(components, aborting.signal);
  } catch (error) {
    if (aborting.signal.aborted) return 0;
    logger.fatal({ err: error }, "start failed");
    return 1;
  }
  logger.info({ components: components.map((component) => component.name) }, "started");
  flushCompileCache(); // where NODE_COMPILE_CACHE asks for one: it is otherwise written only at an orderly end
  const { exitCode } = await stopRequested.promise;

  health?.beginShutdown();
  if (options.lameDuckMs) await new Promise((resolve) => setTimeout(resolve, options.lameDuckMs));
  let isOrderly = true;
  await stopInReverse(components, {
    timeoutMs: options.stopTimeoutMs ?? 25_000,
    onFailure: (component, error) => {
      isOrderly = false;
      logger.error({ component, err: error }, "component did not stop");
    },
  });
  if (!isOrderly) return 1;
  logger.info({}, "stopped");
  return exitCode;
}

/** What a component gets to cut its connections when the time of all is up. */
const graceMs = 500;

/** `timeoutMs` is for all together; when it is up, those that have not been asked yet still get `graceMs` each. */
async function stopInReverse(
  components: readonly Component[],
  options: { readonly timeoutMs: number; readonly onFailure: (component: string, error: unknown) => void },
): Promise<void> {
  const deadline = AbortSignal.timeout(options.timeoutMs);
  const endsAtMs = performance.now() + options.timeoutMs;
  for (const component of components.toReversed()) {
    const leftMs = Math.max(endsAtMs - performance.now(), graceMs);
    const outcome = await outcomeWithin(component.stop(deadline), leftMs);
    if (outcome !== "stopped") options.onFailure(component.name, outcome);
  }
}

/** "stopped", the error of the promise, or an error that says that time ran out. */
function outcomeWithin(stopping: Promise<void>, timeoutMs: number): Promise<unknown> {
  return new Promise((resolve) => {
    const timer = setTimeout(() => resolve(new Error(`still stopping after ${Math.round(timeoutMs)} ms`)), timeoutMs);
    const settle = (outcome: unknown): void => {
      clearTimeout(timer);
      resolve(outcome);
    };
    stopping.then(() => settle("stopped"), settle);
  });
}
