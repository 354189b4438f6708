import { readFileSync } from "node:fs";
import { createLoop, type Clock, type Component } from "@drawbridge/lifecycle";
import { CounterLedger, createCounterStorage, restoreCounterStorage, seedOf } from "@drawbridge/policies";
import type { Logger } from "@drawbridge/telemetry";
import { writeWhole } from "@drawbridge/durable-files";

/** What a crash forgets of limits, at most, where no other gateway knows it. */
const saveEveryMs = 30_000;

export interface CounterFile extends Component {
  readonly storage: SharedArrayBuffer;
  /** What other gateways are told of it and say. */
  readonly ledger: CounterLedger;
}

/**
 * The counters of limits, with what the last process counted and heard from other gateways, so that a quota of a month outlives
 * a restart. Saved now and then, and when the gateway stops; a file that is absent, damaged or of another size begins at nothing.
 */
export function openCounterFile({
  path,
  entries,
  gatewayId,
  chooseSeed,
  clock,
  logger,
}: {
  readonly path: string;
  readonly entries: number;
  readonly gatewayId: string;
  /** The seed that all gateways of the fabric use; given that of the file, if there is one. */
  readonly chooseSeed?: ((saved: Uint8Array | undefined) => Uint8Array) | undefined;
  readonly clock: Clock;
  readonly logger: Logger;
}): CounterFile {
  const saved = read(path);
  const restored = saved && restoreCounterStorage(saved, entries);
  const seed = chooseSeed?.(restored && seedOf(restored));
  const kept = saved && restoreCounterStorage(saved, entries, seed);
  const storage = kept ?? createCounterStorage(entries, seed);
  const nowMs = (): number => clock.now().getTime();
  const ledger = new CounterLedger(storage, { own: gatewayId, nowMs, ...(kept && { saved }) });
  let isFailing = false;
  const save = async (): Promise<void> => {
    // In one turn of the event loop, in which nothing is heard.
    const bytes = Buffer.concat([new Uint8Array(storage), ledger.bytes()]);
    await writeWhole(path, bytes);
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
    ledger,
    stop: async (deadline) => {
      await loop.stop(deadline);
      await save().catch(onError);
    },
  };
}

function read(path: string): Buffer | undefined {
  try {
    return readFileSync(path);
  } catch {
    return undefined; // no file yet, or none that can be read
  }
}
