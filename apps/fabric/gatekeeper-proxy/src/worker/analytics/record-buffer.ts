import type { AnalyticsRecord } from "../../workers/protocol.ts";

const batchSize = 1_000;

/**
 * Records of requests until they are handed on: every `batchSize` of them or when asked. A request never waits for it; what
 * nobody takes is dropped and counted.
 */
export class RecordBuffer {
  #records: AnalyticsRecord[] = [];
  readonly #onFull: () => void;

  constructor(onFull: () => void) {
    this.#onFull = onFull;
  }

  add(record: AnalyticsRecord): void {
    this.#records.push(record);
    if (this.#records.length >= batchSize) this.#onFull();
  }

  take(): readonly AnalyticsRecord[] {
    const records = this.#records;
    if (records.length > 0) this.#records = [];
    return records;
  }
}
