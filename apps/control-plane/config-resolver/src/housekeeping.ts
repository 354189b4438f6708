import { createLoop, type Clock, type Component } from "@drawbridge/lifecycle";
import { field, type Logger, type Metrics } from "@drawbridge/telemetry";
import type { BlobUsage, BundleBlobs } from "./domain/bundle-blobs.ts";
import type { BundleUploads } from "./domain/bundle-uploads.ts";
import type { Freed, GarbageCollection, GarbageDeps } from "./domain/garbage.ts";

const intervalMs = 600_000;

type Removed = Freed | "partial";

/** Counts and logs what was removed. */
export function createFreedRecord(deps: { readonly metrics: Metrics; readonly logger: Logger }) {
  const removed = deps.metrics.counter("garbage_removed", {
    description: "bundles, configurations, files without a record and abandoned uploads that were removed",
  });
  const freed = deps.metrics.counter("garbage_freed_bytes", { description: "bytes of what was removed", unit: "By" });
  return ({
    kind,
    digest,
    sizeBytes,
  }: Omit<Parameters<GarbageDeps["onFreed"]>[0], "kind"> & { readonly kind: Removed }) => {
    removed.add(1, { kind });
    freed.add(sizeBytes, { kind });
    deps.logger.info({ kind, digest, [field.sizeBytes]: sizeBytes }, "garbage removed");
  };
}

/** Every 10 minutes: abandoned uploads go, then what nobody refers to any more; then what is left is measured. */
export function createHousekeeping(deps: {
  readonly uploads: Pick<BundleUploads, "removeAbandoned">;
  readonly garbage: GarbageCollection;
  readonly blobs: Pick<BundleBlobs, "usage">;
  readonly onFreed: ReturnType<typeof createFreedRecord>;
  readonly abandonedAfterMs: number;
  readonly metrics: Metrics;
  readonly clock: Clock;
  readonly logger: Logger;
}): Component {
  const { uploads, garbage, blobs, clock } = deps;
  const logger = deps.logger.child({ [field.component]: "housekeeping" });
  const measured = measureUsage(deps.metrics);

  async function pass(signal: AbortSignal): Promise<void> {
    const abandonedSince = new Date(clock.now().getTime() - deps.abandonedAfterMs);
    const abandoned = await uploads.removeAbandoned(abandonedSince);
    for (const upload of abandoned) deps.onFreed({ ...upload, kind: "partial" });
    try {
      await garbage.collect(signal);
    } finally {
      measured.take(await blobs.usage());
    }
  }

  return createLoop({
    name: "housekeeping",
    clock,
    intervalMs,
    pass,
    // Most likely runtime-manager does not answer: nothing is removed without its word.
    onError: (error) => logger.warn({ err: error }, "garbage collection broke off, will retry"),
  });
}

/** Gauges of the folder, as it was when it was last looked at. */
function measureUsage(metrics: Metrics): { take(usage: BlobUsage): void } {
  let usage: BlobUsage | undefined;
  const states = ["stored", "partial"] as const;
  metrics.gauge("blobs", { description: "bundles in the folder, by state" }, () =>
    usage === undefined ? [] : samples(usage, "count"),
  );
  metrics.gauge("blob_bytes", { description: "bytes of bundles in the folder, by state", unit: "By" }, () =>
    usage === undefined ? [] : samples(usage, "sizeBytes"),
  );
  metrics.gauge("blob_disk_bytes", { description: "file system of the folder", unit: "By" }, () =>
    usage === undefined
      ? []
      : [
          [usage.freeBytes, { kind: "free" }],
          [usage.totalBytes, { kind: "total" }],
        ],
  );
  const samples = (of: BlobUsage, what: "count" | "sizeBytes") =>
    states.map((state) => [of[state][what], { state }] as const);
  return { take: (now) => void (usage = now) };
}
