import { Worker } from "node:worker_threads";
import type { Clock, Component } from "@drawbridge/lifecycle";
import type { Logger } from "@drawbridge/telemetry";
import type { Change, FromWorker, ToWorker, WorkerStart } from "./protocol.ts";

export interface WorkerPoolEvents {
  /** Everything up to this `apply` is in force in every worker that takes requests. */
  readonly onApplied: (sequence: number) => void;
  readonly onMessage: (
    workerIndex: number,
    message: Exclude<FromWorker, { type: "started" | "applied" | "drained" }>,
  ) => void;
  readonly onGone: (workerIndex: number) => void;
}

interface WorkerPoolOptions {
  readonly count: number;
  readonly entry: URL;
  readonly start: Omit<WorkerStart, "workerIndex" | "workerCount">;
  /** Everything that a worker must know, for one that starts. */
  readonly everything: () => readonly Change[];
  readonly clock: Clock;
  readonly logger: Logger;
  readonly events: WorkerPoolEvents;
  readonly stopAcceptingAfterMs: number;
}

export interface WorkerPool extends Component {
  /** Tell all workers; the answer is the sequence that `onApplied` will name. */
  readonly apply: (changes: readonly Change[]) => number;
  /** Workers that take requests. */
  readonly alive: () => number;
  /** Answer with `Connection: close` and, after a pause, take no more connections; resolves when no connection is left. */
  readonly drain: (deadline: AbortSignal) => Promise<void>;
}

interface Member {
  readonly worker: Worker;
  readonly bornMs: number;
  /** Highest sequence that it was sent; `undefined` until it has started. */
  sent: number | undefined;
  applied: number;
  /** When the oldest `apply` without an answer was sent. */
  waitingSinceMs: number | undefined;
  isDrained: boolean;
}

const shortestPauseMs = 50;
const longestPauseMs = 5_000;
/** A worker that lived so long may fall again without a pause. */
const healthyAfterMs = 30_000;
/** A worker that does not answer for so long is stuck, and its gates with it. */
const stuckAfterMs = 60_000;
const watchIntervalMs = 1_000;

/*
 * Invariants:
 *   - A worker that starts gets everything from this process's memory before it takes its first request, never from the disk.
 *   - `onApplied(n)` means: no worker that takes requests is behind n. One that is starting takes none.
 *   - A worker that keeps falling is started again with growing pauses, for ever; the others go on.
 */
export function createWorkerPool(options: WorkerPoolOptions): WorkerPool {
  const { clock, logger, events } = options;
  const members = new Map<number, Member>();
  const stopping = new AbortController();
  const pauses = new Map<number, number>();
  let sequence = 0;
  let announced = 0;
  let isDraining: "later" | "now" | undefined;
  let watching = Promise.resolve();
  let whenChanged = Promise.withResolvers<void>();

  function post(member: Member, message: ToWorker): void {
    member.worker.postMessage(message, []);
  }

  function send(member: Member, changes: readonly Change[]): void {
    member.sent = sequence;
    member.waitingSinceMs ??= clock.monotonicMs();
    post(member, { type: "apply", sequence, changes });
  }

  function announce(): void {
    const started = [...members.values()].filter(({ sent }) => sent !== undefined);
    const reached = started.length === 0 ? announced : Math.min(...started.map(({ applied }) => applied));
    if (reached <= announced) return;
    announced = reached;
    events.onApplied(reached);
  }

  function spawn(index: number): void {
    const workerData: WorkerStart = { ...options.start, workerIndex: index, workerCount: options.count };
    const worker = new Worker(options.entry, { workerData, name: `gateway-${index}` });
    const member: Member = {
      worker,
      bornMs: clock.monotonicMs(),
      sent: undefined,
      applied: 0,
      waitingSinceMs: undefined,
      isDrained: false,
    };
    members.set(index, member);
    worker.on("message", (message: FromWorker) => receive(index, member, message));
    worker.on("error", (error: unknown) => logger.error({ err: error, worker: index }, "a worker has failed"));
    worker.once("exit", (exitCode) => onExit(index, member, exitCode));
  }

  function receive(index: number, member: Member, message: FromWorker): void {
    switch (message.type) {
      case "started":
        send(member, options.everything());
        if (isDraining !== undefined) post(member, { type: "drain", stopAccepting: isDraining });
        return;
      case "applied":
        member.applied = Math.max(member.applied, message.sequence);
        member.waitingSinceMs = member.applied === member.sent ? undefined : clock.monotonicMs();
        announce();
        return;
      case "drained":
        member.isDrained = true;
        whenChanged.resolve();
        return;
      case "unusable":
      case "listening":
      case "in_flight":
      case "requests":
      case "tallies":
      case "traffic":
      case "routes":
      case "exchange":
      case "lost_exchanges":
        events.onMessage(index, message);
    }
  }

  function onExit(index: number, member: Member, exitCode: number): void {
    members.delete(index);
    whenChanged.resolve();
    events.onGone(index);
    announce(); // the others may have been waiting for this one
    if (stopping.signal.aborted || isDraining !== undefined) return;
    const livedMs = clock.monotonicMs() - member.bornMs;
    const pauseMs = livedMs >= healthyAfterMs ? 0 : Math.min(longestPauseMs, (pauses.get(index) ?? 0) * 2);
    pauses.set(index, Math.max(shortestPauseMs, pauseMs));
    logger.error({ worker: index, exitCode, livedMs, pauseMs }, "a worker has ended: starting another");
    void respawn(index, pauseMs);
  }

  async function respawn(index: number, pauseMs: number): Promise<void> {
    await clock.sleep(pauseMs, stopping.signal).catch(() => undefined); // stopped
    if (!stopping.signal.aborted && isDraining === undefined) spawn(index);
  }

  /** End workers that are stuck: whoever loops for ever keeps every gate from opening. */
  async function watch(): Promise<void> {
    while (!stopping.signal.aborted) {
      await clock.sleep(watchIntervalMs, stopping.signal).catch(() => undefined); // stopped
      const nowMs = clock.monotonicMs();
      for (const [index, { worker, waitingSinceMs }] of members) {
        if (waitingSinceMs === undefined || nowMs - waitingSinceMs < stuckAfterMs) continue;
        logger.error({ worker: index }, "a worker does not answer: ending it");
        await worker.terminate();
      }
    }
  }

  function drainAll(stopAccepting: "later" | "now"): void {
    isDraining = stopAccepting;
    for (const member of members.values()) post(member, { type: "drain", stopAccepting });
  }

  async function drain(deadline: AbortSignal): Promise<void> {
    if (isDraining === undefined) {
      drainAll("later");
      await clock.sleep(options.stopAcceptingAfterMs, deadline).catch(() => undefined); // no time left
    }
    drainAll("now");
    const isOver = (): boolean => deadline.aborted || [...members.values()].every(({ isDrained }) => isDrained);
    const onDeadline = (): void => whenChanged.resolve();
    deadline.addEventListener("abort", onDeadline, { once: true });
    while (!isOver()) {
      whenChanged = Promise.withResolvers<void>();
      if (!isOver()) await whenChanged.promise;
    }
    deadline.removeEventListener("abort", onDeadline);
  }

  return {
    name: "workers",
    start: () => {
      for (let index = 0; index < options.count; index += 1) spawn(index);
      watching = watch();
      return Promise.resolve();
    },
    stop: async (deadline) => {
      await drain(deadline);
      stopping.abort();
      await Promise.all([...members.values()].map(({ worker }) => worker.terminate()));
      await watching;
    },
    apply: (changes) => {
      sequence += 1;
      for (const member of members.values()) if (member.sent !== undefined) send(member, changes);
      return sequence;
    },
    alive: () => [...members.values()].filter(({ sent }) => sent !== undefined).length,
    drain,
  };
}
