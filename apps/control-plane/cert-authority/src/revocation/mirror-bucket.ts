import { standardBuckets, type Bus, type KeyValue, type KeyValueEntry } from "@drawbridge/bus";
import { isRevocationKey } from "./mirrored-revocation.ts";

/** What was mirrored of the state that must never go back. */
export interface BucketState {
  readonly listId: string;
  readonly bundleSequence: bigint;
  readonly writtenAt: Date;
}

/** The key-value bucket `revoked`, as far as it is known here. */
export interface MirrorBucket {
  /** Bring `keys` up to date. Returns the entries that were not known before. */
  refresh(): Promise<readonly KeyValueEntry[]>;
  /** Keys of the revocations in the bucket. */
  readonly keys: ReadonlySet<string>;
  get(key: string): Promise<Uint8Array | undefined>;
  put(key: string, value: Uint8Array): Promise<void>;
  readState(): Promise<BucketState | undefined>;
  writeState(state: Omit<BucketState, "writtenAt">): Promise<void>;
}

const stateKey = "meta.state";

export function createMirrorBucket(bus: Pick<Bus, "kv">): MirrorBucket {
  const keys = new Set<string>();
  let opened: KeyValue | undefined;
  let lastRevision = 0;

  /** A bucket that was lost with the server is made again, where the login may. */
  async function use<T>(work: (kv: KeyValue) => Promise<T>): Promise<T> {
    opened ??= await bus.kv("revoked", standardBuckets.revoked);
    try {
      return await work(opened);
    } catch (error) {
      opened = undefined;
      throw error;
    }
  }

  async function refresh(): Promise<readonly KeyValueEntry[]> {
    const scan = await use((kv) => kv.scan(lastRevision));
    // Another bucket under the same name, or one that keys have expired from: what is known of it counts no more.
    if (lastRevision > 0 && (scan.lastRevision < lastRevision || scan.messages < keys.size)) {
      lastRevision = 0;
      keys.clear();
      return refresh();
    }
    lastRevision = scan.lastRevision;
    const entries = scan.entries.filter(({ key }) => isRevocationKey(key));
    for (const { key } of entries) keys.add(key);
    return entries;
  }

  return {
    keys,
    refresh,
    get: async (key) => (await use((kv) => kv.get(key)))?.value,
    put: async (key, value) => {
      await use((kv) => kv.put(key, value));
      keys.add(key);
    },
    readState: async () => {
      const entry = await use((kv) => kv.get(stateKey));
      return entry && parseState(entry);
    },
    writeState: async ({ listId, bundleSequence }) => {
      const value = JSON.stringify({ list_id: listId, trust_bundle_sequence: String(bundleSequence) });
      await use((kv) => kv.put(stateKey, Buffer.from(value)));
    },
  };
}

/** A state that cannot be read is none: it is written again. */
function parseState({ value, writtenAt }: KeyValueEntry): BucketState | undefined {
  try {
    const state: unknown = JSON.parse(Buffer.from(value).toString("utf8"));
    if (typeof state !== "object" || state === null) return undefined;
    if (!("list_id" in state) || !("trust_bundle_sequence" in state)) return undefined;
    if (typeof state.list_id !== "string" || typeof state.trust_bundle_sequence !== "string") return undefined;
    return { listId: state.list_id, bundleSequence: BigInt(state.trust_bundle_sequence), writtenAt };
  } catch {
    return undefined;
  }
}
