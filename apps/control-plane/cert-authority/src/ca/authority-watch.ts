import { standardBuckets, type Bus } from "@drawbridge/bus";
import { DrawbridgeError } from "@drawbridge/errors";
import { createLoop, type Clock, type Component } from "@drawbridge/lifecycle";
import type { Logger } from "@drawbridge/telemetry";
import { bundleRoots } from "../domain/ca-key.ts";
import type { Authority } from "./authority.ts";

export interface AuthorityWatchDeps {
  readonly bus: Pick<Bus, "broadcast" | "subscribe" | "kv">;
  readonly authority: Pick<Authority, "get" | "refresh" | "onChange">;
  readonly clock: Clock;
  readonly logger: Logger;
}

export interface AuthorityWatch extends Component {
  /**
   * Before something is issued, and before a trust bundle is handed out.
   * @throws DrawbridgeError `CA_STATE_BEHIND` (failed_precondition): the record was restored from a backup that is older
   * than a change of the roots, and does not know a root that was in use
   */
  assertCurrent(): void;
  /** Names of the roots that were in use last, from outside of the database. @throws while the bus is away */
  recordedRoots(): Promise<readonly string[]>;
  /** Somebody works with this trust bundle: shown if it is newer than ours, but not believed. */
  saw(sequence: bigint): void;
  /** The newest bundle that anybody has seen, if it is newer than ours. */
  newerSequence(): bigint | undefined;
}

const hint = "ctl.bundle";
const bucket = "revoked";
/** Only cert-authority's login may write to the bucket. */
const key = "authority.bundle";
const intervalMs = 60_000;
const nothing = new Uint8Array();

/**
 * Keeps the names of the roots in use outside of the database as well, so that a restored backup is noticed: a record that
 * has forgotten one must not go on without it (docs/adr/0007). Older in any other way it may: the sequence is raised then. Tells everybody who listens that bundle or phase
 * changed, and hears it from the other replicas. Without the bus nothing is checked and nobody is told: replicas and
 * services look by themselves, and what is in memory goes on.
 */
export function createAuthorityWatch(deps: AuthorityWatchDeps): AuthorityWatch {
  const { authority, bus, clock, logger } = deps;
  let recorded: RecordedBundle = { sequence: 0n, roots: [] };
  let seen = 0n;
  let told = "";
  let isBehind = false;
  let subscription: ReturnType<Bus["subscribe"]> | undefined;

  async function compare(): Promise<void> {
    const kv = await bus.kv(bucket, standardBuckets[bucket]);
    const entry = await kv.get(key);
    recorded = bundleFrom(entry?.value);
    if (isForgetful()) await authority.refresh(); // this replica may not have looked yet
    if (isForgetful() !== isBehind) report();
    const { state } = authority.get();
    if (isBehind || recorded.sequence >= state.sequence) return;
    const own = { sequence: state.sequence, roots: bundleRoots(state).map(({ spkiPin }) => spkiPin) };
    const written = entry ? await kv.update(key, textOf(own), entry.revision) : await kv.create(key, textOf(own));
    if (written.outcome === "written") recorded = own; // else another replica did it; the next look tells
  }

  /** True if a root that was in use is none that we know, in whatever state. */
  function isForgetful(): boolean {
    const known = new Set(authority.get().state.keys.map(({ spkiPin }) => spkiPin));
    return !recorded.roots.every((root) => known.has(root));
  }

  function report(): void {
    isBehind = !isBehind;
    const facts = {
      recorded_sequence: String(recorded.sequence),
      sequence: String(authority.get().state.sequence),
    };
    if (isBehind) logger.error(facts, "a root that was in use is not in the database: nothing is issued");
    else logger.info(facts, "every root that was in use is in the database again");
  }

  /** At most once; whoever misses it asks within a minute. */
  async function tell(): Promise<void> {
    const { sequence, rotation } = authority.get().state;
    const news = `${sequence} ${rotation.phase}`;
    if (news === told) return;
    await bus.broadcast(hint, nothing);
    told = news;
  }

  async function look(): Promise<void> {
    await tell();
    await compare();
  }

  const loop = createLoop({
    name: "authority watch",
    clock,
    intervalMs,
    pass: look,
    onError: (error) => logger.debug({ err: error }, "the newest trust bundle cannot be compared"),
  });

  return {
    name: "authority watch",
    assertCurrent: () => {
      if (!isBehind || !isForgetful()) return;
      throw new DrawbridgeError({
        kind: "failed_precondition",
        code: "CA_STATE_BEHIND",
        message: `nothing is issued: a root of trust bundle ${recorded.sequence}, which was in use, is not in the database; it was restored from a backup that is older than a change of the roots`,
      });
    },
    recordedRoots: async () => {
      await compare();
      return recorded.roots;
    },
    saw: (sequence) => {
      if (sequence > seen) seen = sequence;
    },
    newerSequence: () => {
      const { sequence } = authority.get().state;
      if (isBehind) return recorded.sequence > sequence ? recorded.sequence : sequence + 1n;
      return seen > sequence ? seen : undefined;
    },
    start: async (signal) => {
      subscription = bus.subscribe(hint, async () => void (await authority.refresh()));
      authority.onChange(() => {
        look().catch(() => undefined); // the bus is away: the loop looks again
      });
      await look().catch(() => undefined); // before anybody raises the sequence of a restored record
      await loop.start(signal);
    },
    stop: async (deadline) => {
      await subscription?.close();
      await loop.stop(deadline);
    },
  };
}

/** The bundle that was in use last, as the bucket has it. */
interface RecordedBundle {
  readonly sequence: bigint;
  /** SHA-256 of the roots' public keys, base64url. */
  readonly roots: readonly string[];
}

function textOf({ sequence, roots }: RecordedBundle): Uint8Array {
  return Buffer.from([String(sequence), ...roots].join(" "));
}

function bundleFrom(value: Uint8Array | undefined): RecordedBundle {
  const [sequence = "", ...roots] = Buffer.from(value ?? nothing)
    .toString()
    .split(" ");
  return /^\d{1,19}$/.test(sequence) ? { sequence: BigInt(sequence), roots } : { sequence: 0n, roots: [] };
}
