import { readFileSync } from "node:fs";
import { createLoop, type Clock, type Component } from "@drawbridge/lifecycle";
import { createCounterStorage, restoreCounterStorage } from "@drawbridge/policies";
import type { Logger } from "@drawbridge/telemetry";
import { writeWhole } from "../cache/cache-files.ts";

/** What a crash forgets of limits, at most. */
const saveEveryMs = 30_000;

export interface CounterFile extends Component {
  readonly storage: SharedArrayBuffer;
}

/**
 * The counters of limits, with what the last process counted, so that a quota of a month outlives a restart. Saved now and
 * then, and when the gateway stops; a file that is absent, damaged or of another size begins at nothing.
 */
export function openCounterFile({
  path,
  entries,
  clock,
  logger,
}: {
  readonly path: string;
  readonly entries: number;
  readonly clock: Clock;
  readonly logger: Logger;
}): CounterFile {
  const storage = read(path, entries) ?? createCounterStorage(entries);
  let isFailing = false;
  const save = async (): Promise<void> => {
    await writeWhole(path, Uint8Array.from(new Uint8Array(storage)));
    if (isFailing) logger.info({}, "counters of limits can be saved again");
    isFailing = false;
  };
  const onError = (error: unknown): void => {
    if (!isFailing)
      logger.warn({ err: error }, "counters of limits cannot be saved: a restart would begin them at nothing");
    isFailing = true;
  };
  const loop = createLoop({ name: "counters", clock, intervalMs: saveEveryMs, pass: save, onError });
  return {
    ...loop,
    storage,
    stop: async (deadline) => {
      await loop.stop(deadline);
      await save().catch(onError);
    },
  };
}

function read(path: string, entries: number): SharedArrayBuffer | undefined {
  try {
    return restoreCounterStorage(readFileSync(path), entries);
  } catch {
    return undefined; // no file yet, or none that can be read
  }
}
