import { DrawbridgeError, isDrawbridgeError } from "@drawbridge/errors";
import { StorageType, type JetStreamClient } from "@nats-io/jetstream";
import { Kvm, type KV, type KvWatchEntry } from "@nats-io/kv";
import type { BusLogger } from "./bus-logger.ts";
import type { Subscription } from "./bus.ts";
import { notProvisioned } from "./not-provisioned.ts";
import { scanKeyValue, type KeyValueScan } from "./scan-key-value.ts";
import { translateBusError } from "./translate-error.ts";

export interface KeyValueOptions {
  /** A key lives this long after it was last written. Default: for ever. */
  readonly ttlMs?: number;
  /** "memory" is lost with the server: for what is written again anyway. Default "file". */
  readonly storage?: "file" | "memory";
  readonly replicas?: number;
}

export interface KeyValueEntry {
  readonly key: string;
  readonly value: Uint8Array;
  /** Grows with each write to the bucket; the condition of `update` and `delete`. */
  readonly revision: number;
  readonly writtenAt: Date;
}

export type WriteResult = { readonly outcome: "written"; readonly revision: number } | { readonly outcome: "conflict" };

export type KeyValueChange =
  | { readonly change: "put"; readonly entry: KeyValueEntry }
  /** Deleted, or (server 2.11 and later) expired. */
  | { readonly change: "gone"; readonly key: string };

export interface KeyValue {
  get(key: string): Promise<KeyValueEntry | undefined>;
  /** Write whatever is there; resolves with the revision. */
  put(key: string, value: Uint8Array): Promise<number>;
  /** Write if there is no such key. */
  create(key: string, value: Uint8Array): Promise<WriteResult>;
  /** Write if the key still has `revision`. */
  update(key: string, value: Uint8Array, revision: number): Promise<WriteResult>;
  /** With a revision: only if the key still has it. */
  delete(key: string, revision?: number): Promise<WriteResult["outcome"]>;
  keys(filter?: string): Promise<readonly string[]>;
  /** What was written after a revision (0: everything) and is there now; also for the writer of a bucket, who may not watch. */
  scan(afterRevision: number): Promise<KeyValueScan>;
  /** First what is there, then every change, in order. Before server 2.11 expiry is not announced. */
  watch(handle: (change: KeyValueChange) => void, filter?: string): Promise<Subscription>;
}

/** Server version from which expiry leaves a marker that watchers see. */
export const markerVersion = { major: 2, minor: 11 };
const markerMs = 60_000;

export async function openKeyValue(
  js: JetStreamClient,
  bucket: string,
  options: KeyValueOptions & { readonly hasMarkers: boolean },
  logger: BusLogger,
): Promise<KeyValue> {
  const kv = await translatedUnlessRefused(`bucket ${bucket}`, () =>
    new Kvm(js).create(bucket, {
      history: 1,
      // Answers with the bare value could be asked for on anybody's subject; the leader's answer is newer, too.
      allow_direct: false,
      storage: options.storage === "memory" ? StorageType.Memory : StorageType.File,
      replicas: options.replicas ?? 1,
      ...(options.ttlMs === undefined ? {} : { ttl: options.ttlMs }),
      ...(options.ttlMs !== undefined && options.hasMarkers ? { markerTTL: markerMs } : {}),
    }),
  );
  return {
    get: (key) => translated(() => get(kv, key)),
    put: (key, value) => translated(() => kv.put(key, value)),
    create: (key, value) => write(() => kv.create(key, value)),
    update: (key, value, revision) => write(() => kv.update(key, value, revision)),
    delete: async (key, revision) => {
      const result = await write(async () => {
        await kv.delete(key, revision === undefined ? {} : { previousSeq: revision });
        return 0;
      });
      return result.outcome;
    },
    keys: (filter) => translated(() => keys(kv, filter ?? ">")),
    scan: (afterRevision) => translated(() => scanKeyValue(js, bucket, afterRevision)),
    watch: (handle, filter) => translated(() => watch(kv, handle, filter ?? ">", logger)),
  };
}

async function get(kv: KV, key: string): Promise<KeyValueEntry | undefined> {
  const entry = await kv.get(key);
  if (entry === null || entry.operation !== "PUT") return undefined;
  return { key: entry.key, value: entry.value, revision: entry.revision, writtenAt: entry.created };
}

async function keys(kv: KV, filter: string): Promise<readonly string[]> {
  const result: string[] = [];
  for await (const key of await kv.keys(filter)) result.push(key);
  return result;
}

async function watch(
  kv: KV,
  handle: (change: KeyValueChange) => void,
  filter: string,
  logger: BusLogger,
): Promise<Subscription> {
  const changes = await kv.watch({ key: filter });
  const done = (async () => {
    for await (const entry of changes) {
      try {
        handle(changeFrom(entry));
      } catch (error) {
        logger.error({ err: error, key: entry.key }, "handling a change failed");
      }
    }
  })();
  return {
    ready: Promise.resolve(),
    close: async () => {
      changes.stop();
      await done;
    },
  };
}

function changeFrom(entry: KvWatchEntry): KeyValueChange {
  if (entry.operation !== "PUT") return { change: "gone", key: entry.key };
  const { key, value, revision, created } = entry;
  return { change: "put", entry: { key, value, revision, writtenAt: created } };
}

async function write(work: () => Promise<number>): Promise<WriteResult> {
  try {
    return { outcome: "written", revision: await translated(work) };
  } catch (error) {
    if (isDrawbridgeError(error, "BUS_CONFLICT")) return { outcome: "conflict" };
    throw error;
  }
}

async function translated<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw error instanceof DrawbridgeError ? error : translateBusError(error);
  }
}

/** Opening makes a bucket that is missing; not every login may. */
async function translatedUnlessRefused<T>(what: string, work: () => Promise<T>): Promise<T> {
  try {
    return await translated(work);
  } catch (error) {
    throw isDrawbridgeError(error, "BUS_PERMISSION_DENIED") ? notProvisioned(what, error) : error;
  }
}
