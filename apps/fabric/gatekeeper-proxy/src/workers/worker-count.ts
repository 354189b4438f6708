import { availableParallelism } from "node:os";
import type { GatekeeperProxyConfig } from "../config.ts";

/** Threads that take requests. */
export function workerCount({ WORKERS: set }: Pick<GatekeeperProxyConfig, "WORKERS">): number {
  return set ?? availableParallelism();
}
