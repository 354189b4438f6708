import { createReadStream } from "node:fs";
import { access, mkdir, readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import {
  manifestFileName,
  parseManifest,
  removeAbandonedUnpacks,
  removeUnpackedBundle,
  unpackBundle,
  type Manifest,
} from "@drawbridge/bundle";
import { DrawbridgeError, isDrawbridgeError } from "@drawbridge/errors";
import { retryWithBackoff, type Clock, type Random } from "@drawbridge/lifecycle";
import { field, type Logger } from "@drawbridge/telemetry";
import type { Artefact } from "../desired/app-wish.ts";
import { readdirIfPresent } from "../state/atomic-file.ts";
import { downloadFile } from "./download-file.ts";
import type { ResolverClient } from "./resolver-client.ts";

/** A bundle that lies unpacked, whole and read-only. */
export interface StoredBundle {
  readonly directory: string;
  readonly manifest: Manifest;
}

/** `bundles/sha256/<hex>`: unpacked bundles by digest. */
export interface BundleStore {
  /** Clear away what a killed agent left half done. Before the first `obtain`. */
  open(): Promise<void>;
  /** Take it from disk, else fetch, verify and unpack it. Two askers for one digest share the work. */
  obtain(bundle: Artefact, signal: AbortSignal): Promise<StoredBundle>;
  /** The bundle if it lies here already. */
  find(digest: string): Promise<StoredBundle | undefined>;
  /** Remove every bundle whose digest is not in use, except those being fetched. */
  collectGarbage(inUse: ReadonlySet<string>): Promise<void>;
}

export interface BundleStoreOptions {
  readonly directory: string;
  readonly downloads: string;
  readonly client: Pick<ResolverClient, "open">;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
}

/** Attempts of one fetch, about 40 s in all, so that a restart over there is no failure here; then the app's own backoff decides. */
const maxAttempts = 9;

interface Fetch {
  readonly done: Promise<StoredBundle>;
  readonly controller: AbortController;
  waiters: number;
}

export function createBundleStore(options: BundleStoreOptions): BundleStore {
  const { directory, downloads, client, clock, random, logger } = options;
  const fetches = new Map<string, Fetch>();

  const folderOf = (digest: string): string => join(directory, digest.replace(/^sha256:/, ""));

  async function find(digest: string): Promise<StoredBundle | undefined> {
    const folder = folderOf(digest);
    try {
      await access(folder);
    } catch {
      return undefined;
    }
    try {
      const manifest = parseManifest(await readFile(join(folder, manifestFileName), "utf8"));
      return { directory: folder, manifest };
    } catch (error) {
      // It was whole when it was put here: somebody changed it. What runs from it has its files open; fetch it anew.
      logger.error({ err: error, [field.digest]: digest }, "unusable bundle folder removed");
      await removeUnpackedBundle(folder);
      return undefined;
    }
  }

  async function fetchAndUnpack(bundle: Artefact, signal: AbortSignal): Promise<StoredBundle> {
    const file = join(downloads, `${bundle.digest.replace(/^sha256:/, "")}.part`);
    await mkdir(downloads, { recursive: true, mode: 0o700 });
    await mkdir(directory, { recursive: true, mode: 0o700 });
    await retryWithBackoff(
      (attemptSignal) => downloadFile({ client, ...bundle, file }, attemptSignal),
      {
        clock,
        random,
        baseMs: 500,
        capMs: 15_000,
        maxAttempts,
        onFailure: (error, attempt, delayMs) => {
          if (!(error instanceof DrawbridgeError) || error.kind !== "unavailable") return "stop";
          logger.warn(
            { err: error, [field.attempt]: attempt, [field.delayMs]: Math.round(delayMs) },
            "bundle fetch failed, will retry",
          );
          return "retry";
        },
      },
      signal,
    );
    const folder = folderOf(bundle.digest);
    try {
      const unpacked = await unpackBundle({
        source: createReadStream(file),
        directory: folder,
        expectedDigest: bundle.digest,
        signal,
      });
      await rm(file, { force: true });
      return { directory: folder, manifest: unpacked.manifest };
    } catch (error) {
      // A bundle that is refused would be refused again: only a full disk or a stop may go on with the file.
      if (!signal.aborted && !isDrawbridgeError(error, "DISK_FULL")) await rm(file, { force: true });
      throw error;
    }
  }

  async function share(bundle: Artefact, signal: AbortSignal): Promise<StoredBundle> {
    let fetch = fetches.get(bundle.digest);
    while (fetch?.controller.signal.aborted) {
      await fetch.done.catch(() => undefined); // it was given up and still cleans up: two must not write one file
      fetch = fetches.get(bundle.digest);
    }
    if (fetch === undefined) {
      const controller = new AbortController();
      const done = fetchAndUnpack(bundle, controller.signal);
      const started: Fetch = { done, controller, waiters: 0 };
      done
        .catch(() => undefined)
        .finally(() => {
          if (fetches.get(bundle.digest) === started) fetches.delete(bundle.digest);
        });
      fetches.set(bundle.digest, started);
      fetch = started;
    }
    const shared = fetch;
    shared.waiters += 1;
    const left = Promise.withResolvers<never>();
    const onAbort = (): void => left.reject(signal.reason);
    signal.addEventListener("abort", onAbort, { once: true });
    try {
      signal.throwIfAborted();
      return await Promise.race([shared.done, left.promise]);
    } finally {
      signal.removeEventListener("abort", onAbort);
      shared.waiters -= 1;
      if (shared.waiters === 0) shared.controller.abort(new Error("nobody waits for this bundle any more"));
    }
  }

  return {
    async open() {
      await mkdir(directory, { recursive: true, mode: 0o700 });
      const removed = await removeAbandonedUnpacks(directory);
      if (removed.length > 0) logger.info({ count: removed.length }, "half unpacked bundles removed");
    },
    obtain: async (bundle, signal) => (await find(bundle.digest)) ?? share(bundle, signal),
    find,
    async collectGarbage(inUse) {
      const keep = new Set([...inUse, ...fetches.keys()].map((digest) => digest.replace(/^sha256:/, "")));
      for (const name of await readdirIfPresent(directory)) {
        if (!/^[0-9a-f]{64}$/.test(name) || keep.has(name)) continue;
        await removeUnpackedBundle(join(directory, name));
        logger.info({ [field.digest]: `sha256:${name}` }, "unused bundle removed");
      }
      for (const name of await readdirIfPresent(downloads)) {
        if (!keep.has(name.replace(/\.part$/, ""))) await rm(join(downloads, name), { force: true });
      }
    },
  };
}
