import type { BatchKey } from "../receive/queued-batch.ts";
import { BatchRanges } from "./batch-ranges.ts";

/** Some hundred bytes each. A fabric that makes up gateways loses sight of its own batches, not of others'. */
const numberingsOfAFabric = 10_000;

/** Which batches are in the store, or on their way into it. */
export class KnownBatches {
  /** By fabric, then by gateway and epoch in the order of their last batch. */
  readonly #fabrics = new Map<string, Map<string, BatchRanges>>();

  has(key: BatchKey): boolean {
    return this.#fabrics.get(key.fabricId)?.get(numberingOf(key))?.has(key.sequence) ?? false;
  }

  add(key: BatchKey, last?: bigint): void {
    let numberings = this.#fabrics.get(key.fabricId);
    if (numberings === undefined) this.#fabrics.set(key.fabricId, (numberings = new Map()));
    const name = numberingOf(key);
    const ranges = numberings.get(name) ?? new BatchRanges();
    ranges.add(key.sequence, last);
    numberings.delete(name);
    numberings.set(name, ranges);
    if (numberings.size > numberingsOfAFabric) numberings.delete(numberings.keys().next().value ?? "");
  }

  delete(key: BatchKey): void {
    this.#fabrics.get(key.fabricId)?.get(numberingOf(key))?.delete(key.sequence);
  }
}

function numberingOf({ gatewayId, epoch }: Pick<BatchKey, "gatewayId" | "epoch">): string {
  return `${gatewayId}:${epoch}`;
}
