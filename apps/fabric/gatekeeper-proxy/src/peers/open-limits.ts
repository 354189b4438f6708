import { join } from "node:path";
import type { Clock, Component } from "@drawbridge/lifecycle";
import { seedOf } from "@drawbridge/policies";
import type { Logger, Metrics } from "@drawbridge/telemetry";
import { openCounterFile, type CounterFile } from "../counters/counter-file.ts";
import { createCounterExchange, type PeerView } from "./counter-exchange.ts";
import { openSharedSeed, seedCheck } from "./shared-seed.ts";
import { createUnixPeers } from "./unix-peers.ts";

export interface Limits {
  readonly storage: SharedArrayBuffer;
  readonly peers: () => readonly PeerView[];
  /** To be started before what counts: what other gateways counted is there before the first request. */
  readonly components: readonly Component[];
}

/** The counters of limits, and what keeps them together with those of the fabric's other gateways. */
export function openLimits({
  directory,
  peersDirectory,
  entries,
  gatewayId,
  metrics,
  clock,
  logger,
}: {
  /** Of this gateway. */
  readonly directory: string;
  /** Of all gateways; `undefined`: there are no others. */
  readonly peersDirectory: string | undefined;
  readonly entries: number;
  readonly gatewayId: string;
  readonly metrics: Metrics;
  readonly clock: Clock;
  readonly logger: Logger;
}): Limits {
  let sharedSeed: Uint8Array | undefined;
  const chooseSeed =
    peersDirectory === undefined
      ? undefined
      : (saved: Uint8Array | undefined) => {
          sharedSeed = openSharedSeed(peersDirectory, saved);
          return sharedSeed;
        };
  const open = (choose: typeof chooseSeed): CounterFile =>
    openCounterFile({ path: join(directory, "counters"), entries, gatewayId, chooseSeed: choose, clock, logger });
  let counters: CounterFile;
  try {
    counters = open(chooseSeed);
  } catch (error) {
    logger.error({ err: error }, "the folder of the gateways cannot be used: limits count alone");
    counters = open(undefined);
  }
  const exchange =
    peersDirectory === undefined || sharedSeed === undefined
      ? undefined
      : createCounterExchange({
          gatewayId,
          network: createUnixPeers(peersDirectory, gatewayId),
          ledger: counters.ledger,
          seedCheck: seedCheck(seedOf(counters.storage)),
          clock,
          logger,
        });
  const peers = (): readonly PeerView[] => exchange?.peers() ?? [];
  metrics.gauge(
    "peers",
    { description: "other gateways whose counts arrive here" },
    () => peers().filter(({ isHeard }) => isHeard).length,
  );
  const lag = { description: "highest age of a count of another gateway when it counted here", unit: "ms" };
  metrics.gauge("peer_lag_ms", lag, () => Math.max(0, ...peers().map(({ lagMs }) => lagMs)));
  const leftOut = { description: "counts of other gateways for which there was no room" };
  metrics.gauge("peer_counts_left_out", leftOut, () => counters.ledger.leftOut);
  return {
    storage: counters.storage,
    peers,
    components: exchange === undefined ? [counters] : [exchange, counters],
  };
}
