import { DrawbridgeError } from "@drawbridge/errors";
import { fullJitterDelayMs, type Clock, type Random } from "@drawbridge/lifecycle";
import type { TrustBundle } from "@drawbridge/pki";
import { field, type Logger } from "@drawbridge/telemetry";
import type { AlertBoard } from "../alerts/alert-board.ts";
import { errorCodeOf } from "../state/atomic-file.ts";
import { isSessionOver } from "../tunnel/tunnel-errors.ts";
import type { DesiredMark } from "../tunnel/tunnel-events.ts";
import type { TunnelSession } from "../tunnel/tunnel-session.ts";
import { decideSnapshot } from "./accept-snapshot.ts";
import type { DesiredSnapshot } from "./app-wish.ts";
import type { DesiredStore } from "./desired-store.ts";
import { verifySnapshot } from "./verify-snapshot.ts";

export interface DesiredSyncOptions {
  readonly fabricId: string;
  readonly store: DesiredStore;
  readonly trustBundle: () => TrustBundle;
  /** Apps that exist in the fabric now; waits until that is known. */
  readonly existingAppIds: (signal: AbortSignal) => Promise<ReadonlySet<string>>;
  /** Called after a snapshot was stored: from now on it is the wish. */
  readonly onAccepted: (snapshot: DesiredSnapshot, previous: DesiredSnapshot | undefined) => void;
  /** From the first word of a generation to its take-over. */
  readonly onPropagated: (seconds: number) => void;
  readonly alerts: AlertBoard;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
}

/** Keeps the wish current: pulls, verifies, decides, stores, and only then lets it be acted on. */
export interface DesiredSync {
  /** Take the wish of the last run from disk. */
  load(): Promise<void>;
  current(): DesiredSnapshot | undefined;
  previous(): DesiredSnapshot | undefined;
  /** When `current` was taken over, also in an earlier run. */
  acceptedAt(): Date | undefined;
  /** Generation that the control plane named last; undefined before the first session. */
  announced(): bigint | undefined;
  /** The control plane says what it wants. Fetches where it differs from what the agent has. */
  announce(mark: DesiredMark, session: TunnelSession): void;
  /** Something changed that a refusal may have hung on: what was refused is looked at once more, now. */
  forgetRefusals(): void;
  stop(): Promise<void>;
}

/** A snapshot that was refused. */
interface Refusal {
  readonly digest: string;
  /** How often in a row. */
  readonly count: number;
  /** Monotonic; from then on the next announcement fetches it again: a wrong clock or a missing root passes. */
  readonly retryAtMs: number;
}

const refusalPause = { baseMs: 10_000, capMs: 300_000, floorMs: 5_000 } as const;

export function createDesiredSync(options: DesiredSyncOptions): DesiredSync {
  const { store, clock, random, alerts } = options;
  const logger = options.logger.child({ [field.component]: "desired" });
  const stopping = new AbortController();
  let current: DesiredSnapshot | undefined;
  let previous: DesiredSnapshot | undefined;
  let acceptedAt: Date | undefined;
  let refusal: Refusal | undefined;
  let wanted: { readonly mark: DesiredMark; readonly session: TunnelSession } | undefined;
  let pulling: Promise<void> | undefined;
  /** When the digest that is to be taken over was first heard of. Monotonic. */
  let heard: { readonly digest: string; readonly atMs: number } | undefined;

  function isWanted(digest: string): boolean {
    if (digest === "" || digest === current?.digest) return false;
    return digest !== refusal?.digest || clock.monotonicMs() >= refusal.retryAtMs;
  }

  function refuse(digest: string, message: string, facts: object): void {
    const attempt = refusal?.digest === digest ? refusal.count : 0;
    const delayMs = fullJitterDelayMs({ attempt, ...refusalPause, random });
    refusal = { digest, count: attempt + 1, retryAtMs: clock.monotonicMs() + delayMs };
    alerts.raise("SnapshotRefused", `${message}; the agent goes on with what it has`);
    logger[attempt === 0 ? "error" : "debug"]({ ...facts, [field.digest]: digest }, "snapshot refused");
  }

  function begin(): void {
    if (pulling || stopping.signal.aborted || !wanted || !isWanted(wanted.mark.digest)) return;
    pulling = pull()
      .catch((error: unknown) => logger.error({ err: error }, "snapshot cannot be taken over"))
      .finally(() => {
        pulling = undefined;
      });
  }

  async function pullOnce(session: TunnelSession): Promise<void> {
    const response = await session.getSnapshot(current?.digest ?? "", stopping.signal);
    if (response.notModified) return;
    const snapshot = await verifySnapshot(response, { trustBundle: options.trustBundle(), at: clock.now() });
    const verdict = decideSnapshot(snapshot, {
      fabricId: options.fabricId,
      current,
      existingAppIds: await options.existingAppIds(stopping.signal),
    });
    const about = { [field.generation]: snapshot.generation.toString(), [field.digest]: snapshot.digest };
    if (verdict.outcome === "refused") {
      refuse(snapshot.digest, verdict.message, { ...about, reason: verdict.reason });
      return;
    }
    refusal = undefined;
    alerts.clear("SnapshotRefused");
    if (verdict.outcome === "unchanged") return;
    await store.save(snapshot, response.snapshotJws);
    alerts.clear("DiskFull");
    previous = current;
    current = snapshot;
    acceptedAt = clock.now();
    if (heard?.digest === snapshot.digest) options.onPropagated((clock.monotonicMs() - heard.atMs) / 1_000);
    logger.info(
      { ...about, apps: snapshot.apps.length, tombstones: snapshot.tombstones.length },
      "snapshot taken over",
    );
    options.onAccepted(snapshot, previous);
  }

  async function pull(): Promise<void> {
    let attempt = 0;
    for (;;) {
      if (!wanted || !isWanted(wanted.mark.digest) || stopping.signal.aborted) return;
      const { mark, session } = wanted;
      try {
        await pullOnce(session);
        attempt = 0;
        // Served by a replica that knows less than the one that announced: the next heartbeat asks again.
        if (wanted.mark.digest === mark.digest) return;
      } catch (error) {
        if (stopping.signal.aborted) return;
        if (isSessionOver(error)) {
          if (wanted.session === session) return;
          attempt = 0;
          continue; // handed over meanwhile: the session that took its place is asked
        }
        if (report(error, mark) === "refused") continue; // ends, unless another one is wanted by now
        const delayMs = fullJitterDelayMs({ attempt, baseMs: 500, capMs: 30_000, floorMs: 100, random });
        attempt += 1;
        await clock.sleep(delayMs, stopping.signal).catch(() => undefined); // ends when stopped
      }
    }
  }

  function report(error: unknown, mark: DesiredMark): "refused" | "later" {
    const isRefused = error instanceof DrawbridgeError && ["unauthenticated", "data_loss"].includes(error.kind);
    if (isRefused) {
      refuse(mark.digest, error.message, { err: error });
      return "refused";
    }
    if (errorCodeOf(error) === "ENOSPC")
      alerts.raise("DiskFull", "the state folder is full: the new snapshot cannot be stored");
    logger.warn({ err: error, [field.digest]: mark.digest }, "snapshot cannot be fetched, will retry");
    return "later";
  }

  return {
    async load() {
      const stored = await store.load();
      current = stored?.current;
      previous = stored?.previous;
      acceptedAt = stored?.receivedAt;
      if (current) {
        logger.info(
          { [field.generation]: current.generation.toString(), apps: current.apps.length },
          "working from stored snapshot",
        );
      }
    },
    current: () => current,
    previous: () => previous,
    acceptedAt: () => acceptedAt,
    announced: () => wanted?.mark.generation,
    announce(mark, session) {
      wanted = { mark, session };
      if (heard?.digest !== mark.digest && mark.digest !== current?.digest)
        heard = { digest: mark.digest, atMs: clock.monotonicMs() };
      begin();
    },
    forgetRefusals: () => {
      if (refusal === undefined) return;
      refusal = undefined;
      begin();
    },
    async stop() {
      stopping.abort(new Error("the agent is stopping"));
      await pulling;
    },
  };
}
