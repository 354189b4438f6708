import type { Clock } from "@drawbridge/lifecycle";
import type { ProcessRef } from "./process-table.ts";
import { writeFrontStatus, type FrontStatus } from "./front-files.ts";

/** Requests end by the thousand while a replica drains: the driver need not know each. */
const coalesceMs = 25;

export interface FrontStatusWriter {
  update(change: Partial<FrontStatus>): void;
}

/** Writes the front's status file when it changes, soon; a write that a full disk refuses is repeated. */
export function createFrontStatusWriter(options: {
  readonly path: string;
  readonly process: ProcessRef | undefined;
  readonly clock: Clock;
}): FrontStatusWriter {
  let status: FrontStatus = {
    process: options.process,
    phase: "starting",
    detail: "",
    sequence: 0,
    draining: {},
  };
  let written = "";
  let isScheduled = false;

  async function writeSoon(): Promise<void> {
    isScheduled = true;
    await options.clock.sleep(coalesceMs);
    isScheduled = false;
    const text = JSON.stringify(status);
    if (text === written) return;
    try {
      writeFrontStatus(options.path, status);
      written = text;
    } catch {
      await options.clock.sleep(1_000);
      if (!isScheduled) void writeSoon();
    }
  }

  return {
    update(change) {
      status = { ...status, ...change };
      if (!isScheduled && JSON.stringify(status) !== written) void writeSoon(); // never rejects
    },
  };
}
