import type { Clock, Component, HealthCheck } from "@drawbridge/lifecycle";
import type { Logger, Metrics } from "@drawbridge/telemetry";
import { listedAfterExpiryMs, type Revocation } from "../domain/revocation.ts";
import type { MirrorRepository } from "../store/mirror-repository.ts";
import type { MirrorBucket } from "./mirror-bucket.ts";
import { mirrorKey, mirrorValue, revocationFromMirror } from "./mirrored-revocation.ts";

export interface RevocationMirrorOptions {
  readonly repository: MirrorRepository;
  readonly bucket: MirrorBucket;
  /** Revocations were taken back: tell the readers. */
  readonly onTakenBack: () => void;
  /** Give the trust bundle a number above this one, which followers have seen, unless it has. Answers whether it was needed. */
  readonly raiseBundle: (above: bigint) => Promise<boolean>;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: Pick<Metrics, "counter">;
}

export interface RevocationMirror extends Component {
  /** There are new revocations. */
  wake(): void;
  /** Resolves when the mirror was compared with the database, or could not be for two seconds after the first question. */
  compared(signal: AbortSignal): Promise<void>;
  /** Degraded: what is revoked now would not survive a restore of the database. */
  readonly health: HealthCheck;
}

const pushEveryMs = 2_000;
const compareEveryMs = 60_000;
const patienceMs = 2_000;
const batchSize = 256;
/** Keys of the bucket expire 40 days after they were written; the state is to outlive that. */
const rewriteStateAfterMs = 86_400_000;

/**
 * Keeps the key-value bucket `revoked` a copy of the revocation list that a restore of the database does not reach
 * (design R17). Invariants:
 * - a revocation counts as mirrored after the bucket has acknowledged it; whoever is killed in between writes it again;
 * - what the bucket has and the database lacks was revoked before the database was restored: it is taken back, and the
 *   list gets a new id, so that readers read it from the beginning;
 * - the number of the trust bundle in the bucket is never above that of the database for longer than a comparison takes:
 *   followers refuse a bundle with a lower number than they have.
 */
export function createRevocationMirror(options: RevocationMirrorOptions): RevocationMirror {
  const { repository, bucket, clock, logger } = options;
  const stopping = new AbortController();
  const firstComparison = Promise.withResolvers<void>();
  const takenBackCount = options.metrics.counter("revocations_taken_back", {
    description: "revocations that the mirror had and the database lacked",
  });
  let askedAtMs: number | undefined;
  let comparedAtMs: number | undefined;
  let written: string | undefined;
  let highest = 0n;
  let failingSince: Date | undefined;
  let hint = Promise.withResolvers<void>();
  let running: Promise<void> = Promise.resolve();

  async function push(): Promise<void> {
    for (;;) {
      const revocations = await repository.unmirrored(batchSize);
      if (revocations.length === 0) return;
      await Promise.all(revocations.map((entry) => bucket.put(mirrorKey(entry), mirrorValue(entry))));
      await repository.markMirrored(revocations.map(({ position }) => position));
    }
  }

  async function compare(): Promise<void> {
    const isDone = await repository.exclusively(async () => {
      const entries = await bucket.refresh();
      const mirrored = await bucket.readState();
      const state = await repository.readState();
      const lost = await readLost();
      for (const { key, value } of entries) {
        const position = revocationFromMirror(key, value)?.position ?? 0n;
        if (position > highest) highest = position;
      }
      const isOtherList = mirrored !== undefined && mirrored.listId !== state.listId;
      if (lost.length > 0 || highest > state.lastPosition || isOtherList) {
        await takeBack(lost, { abovePosition: highest, listId: state.listId });
      }
      await raiseBundle(mirrored?.bundleSequence ?? 0n);
      const missing = await repository.unmarkMissing(bucket.keys);
      if (missing > 0) logger.warn({ revocations: missing }, "the mirror has lost revocations, writing them again");
      await writeState(mirrored);
      await repository.markComplete();
      return true;
    });
    if (isDone !== true) return; // another replica is at it
    comparedAtMs = clock.monotonicMs();
    firstComparison.resolve();
  }

  async function readLost(): Promise<readonly Revocation[]> {
    const keys = await repository.unknown([...bucket.keys]);
    const lost: Revocation[] = [];
    for (const key of keys) {
      const value = await bucket.get(key);
      const revocation = value && revocationFromMirror(key, value);
      if (value && !revocation) logger.error({ key }, "the mirror has an entry that cannot be read");
      const endsMs = revocation ? revocation.notAfter.getTime() + listedAfterExpiryMs : 0;
      if (revocation && endsMs > clock.now().getTime()) lost.push(revocation);
    }
    return lost;
  }

  async function takeBack(
    revocations: readonly Revocation[],
    list: { readonly abovePosition: bigint; readonly listId: string },
  ): Promise<void> {
    const takenBack = await repository.takeBack({ revocations, ...list, now: clock.now() });
    takenBackCount.add(takenBack);
    logger.warn(
      { revocations: takenBack },
      "security: the database was restored to an earlier state, revocations were taken back from the mirror",
    );
    options.onTakenBack();
  }

  async function raiseBundle(sequence: bigint): Promise<void> {
    if (!(await options.raiseBundle(sequence))) return;
    logger.warn({ above: String(sequence) }, "the trust bundle had an earlier number than followers have seen, raised");
  }

  async function writeState(mirrored: { readonly writtenAt: Date } | undefined): Promise<void> {
    const state = await repository.readState();
    const text = stateText(state);
    const isOld = !mirrored || clock.now().getTime() - mirrored.writtenAt.getTime() > rewriteStateAfterMs;
    if (text === written && !isOld) return;
    await bucket.writeState(state);
    written = text;
  }

  async function pass(): Promise<void> {
    try {
      const nowMs = clock.monotonicMs();
      const isDue = comparedAtMs === undefined || nowMs - comparedAtMs >= compareEveryMs;
      if (isDue || stateText(await repository.readState()) !== written) await compare();
      await push();
      if (failingSince) logger.info({ outage_ms: clock.now().getTime() - failingSince.getTime() }, "mirroring again");
      failingSince = undefined;
    } catch (error) {
      if (!failingSince) logger.warn({ err: error }, "revocations cannot be mirrored, will retry");
      failingSince ??= clock.now();
    }
  }

  async function run(): Promise<void> {
    while (!stopping.signal.aborted) {
      await pass();
      const over = new AbortController();
      const stop = (): void => over.abort(stopping.signal.reason);
      stopping.signal.addEventListener("abort", stop, { once: true });
      if (stopping.signal.aborted) stop();
      const wait = clock.sleep(pushEveryMs, over.signal).catch(() => undefined);
      await Promise.race(failingSince ? [wait] : [hint.promise, wait]);
      stopping.signal.removeEventListener("abort", stop);
      over.abort(new Error("waited long enough"));
      hint = Promise.withResolvers();
    }
  }

  return {
    name: "revocation mirror",
    wake: () => hint.resolve(),
    compared: async (signal) => {
      askedAtMs ??= clock.monotonicMs();
      const remainingMs = askedAtMs + patienceMs - clock.monotonicMs();
      if (comparedAtMs !== undefined || remainingMs <= 0) return;
      const over = new AbortController();
      const both = AbortSignal.any([signal, over.signal]);
      const patience = clock.sleep(remainingMs, both).catch(() => undefined);
      await Promise.race([firstComparison.promise, patience]);
      over.abort(new Error("compared"));
    },
    health: () =>
      failingSince === undefined ? undefined : `revocations are not mirrored since ${failingSince.toISOString()}`,
    start: () => {
      running = run();
      return Promise.resolve();
    },
    stop: async () => {
      stopping.abort(new Error("revocation mirror is stopping"));
      await running;
    },
  };
}

function stateText({ listId, bundleSequence }: { readonly listId: string; readonly bundleSequence: bigint }): string {
  return `${listId} ${bundleSequence}`;
}
