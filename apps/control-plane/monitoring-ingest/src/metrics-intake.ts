import { join } from "node:path";
import {
  createStoreBackups,
  createStoreMigration,
  openConfiguredStore,
  type ColumnarStore,
} from "@drawbridge/columnar";
import type { Component } from "@drawbridge/lifecycle";
import { createFabricSeries, type FabricSeries } from "./domain/fabric-series.ts";
import { createRememberedBatches } from "./domain/remembered-batches.ts";
import { createMetricsAdmission, type MetricsAdmission } from "./http/metrics-admission.ts";
import { createBatchCommitter, type BatchCommitter } from "./metrics-store/batch-committer.ts";
import { createCounterBook } from "./metrics-store/counter-book.ts";
import { loadState } from "./metrics-store/load-state.ts";
import { createSpool } from "./metrics-store/spool.ts";
import { storeMigrations } from "./metrics-store/store-migrations.ts";
import type { ServiceDeps } from "@drawbridge/service";
import type { MonitoringIngestConfig } from "./config.ts";

/** The way of metrics from the listener into the columnar store. */
export interface MetricsIntake {
  readonly store: ColumnarStore;
  readonly committer: BatchCommitter;
  readonly series: FabricSeries;
  readonly ownSeries: FabricSeries;
  readonly admission: MetricsAdmission;
  readonly backups: Pick<ReturnType<typeof createStoreBackups>, "health">;
  /** In start order. */
  readonly components: readonly Component[];
}

/** Names of apps' own metrics, of all its apps together, that one fabric may tell of within an hour. */
const ownMetricsOfFabric = 5_000;

export function createMetricsIntake(
  deps: Pick<ServiceDeps<MonitoringIngestConfig>, "config" | "logger" | "telemetry" | "clock" | "random" | "ids">,
): MetricsIntake {
  const { config, logger, clock, random, ids } = deps;
  const monotonicMs = (): number => clock.monotonicMs();
  const store = openConfiguredStore(config, { logger, clock, random });
  const backups = createStoreBackups({ store, settings: config, clock, logger });
  const book = createCounterBook({ maxCountersPerFabric: config.FABRIC_COUNTERS });
  const remembered = createRememberedBatches();
  const committer = createBatchCommitter({
    spool: createSpool(join(config.DATA_DIR, "spool"), store),
    book,
    remembered,
    flushIntervalMs: config.FLUSH_INTERVAL_MS,
    clock,
    random,
    ids,
    logger,
    metrics: deps.telemetry.metrics,
  });
  const state: Component = {
    name: "state of counters",
    start: () => loadState(store, { remembered, book }, clock.now()),
    stop: () => Promise.resolve(),
  };
  return {
    store,
    committer,
    series: createFabricSeries({ maxReplicas: config.FABRIC_REPLICAS, monotonicMs }),
    ownSeries: createFabricSeries({ maxReplicas: ownMetricsOfFabric, monotonicMs }),
    admission: createMetricsAdmission(
      {
        pointsPerSecond: config.FABRIC_POINTS_PER_SECOND,
        requestsPerFabric: config.FABRIC_REQUESTS_IN_FLIGHT,
        bytesInFlight: config.IN_FLIGHT_BYTES,
      },
      { monotonicMs },
    ),
    // The state is read when all that waited in the spool is in the store.
    components: [store, createStoreMigration(store, storeMigrations), committer, state, backups],
    backups,
  };
}
