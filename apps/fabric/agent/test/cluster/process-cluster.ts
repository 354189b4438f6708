import { cryptoRandom, systemClock, uuidV7Ids } from "@drawbridge/lifecycle";
import { createTestLogger, tempDir } from "@drawbridge/testkit";
import { realpathSync } from "node:fs";
import { expect } from "vitest";
import type { ClusterDriver } from "../../src/cluster/cluster-driver.ts";
import type { ProcessDriverOptions } from "../../src/cluster/process/driver-options.ts";
import { createProcessDriver } from "../../src/cluster/process/process-driver.ts";
import { stopEverything } from "../../src/cluster/process/stop-everything.ts";
import { workerPorts } from "../support/worker-ports.ts";
import { processesWith, type ClusterHarness } from "./harness.ts";

export interface ProcessCluster extends ClusterHarness {
  readonly stateDirectory: string;
  /** The next agent may have other settings. */
  readonly newDriver: (change?: Partial<ProcessDriverOptions>) => ClusterDriver;
}

/** A process cluster in a folder of its own. At its end everything is stopped, and nothing may be left running. */
export async function openProcessCluster(options: Partial<ProcessDriverOptions> = {}): Promise<ProcessCluster> {
  const folder = options.stateDirectory === undefined ? await tempDir() : undefined;
  const stateDirectory = realpathSync(options.stateDirectory ?? folder?.path ?? "");
  const newDriver = (change: Partial<ProcessDriverOptions> = {}) =>
    createProcessDriver({
      stateDirectory,
      publicPorts: workerPorts,
      clock: systemClock,
      random: cryptoRandom,
      ids: uuidV7Ids,
      logger: createTestLogger().logger,
      restart: { baseMs: 50, capMs: 1_000, resetAfterMs: 60_000 },
      ...options,
      ...change,
    });
  return {
    stateDirectory,
    driver: newDriver(),
    newDriver,
    [Symbol.asyncDispose]: async () => {
      await stopEverything(stateDirectory);
      const left = processesWith(stateDirectory);
      await folder?.[Symbol.asyncDispose]();
      expect(left).toEqual([]);
    },
  };
}
