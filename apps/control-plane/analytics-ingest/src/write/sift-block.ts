import type { DrawbridgeError } from "@drawbridge/errors";
import type { GatheredBatch } from "./open-block.ts";
import type { StoreOutcome } from "./store-block.ts";

/** A batch whose rows the store refuses, alone as well as among others. */
export interface RefusedBatch {
  readonly batch: GatheredBatch;
  readonly error: DrawbridgeError;
}

export interface SiftedBlock {
  readonly storedBatches: number;
  readonly refused: readonly RefusedBatch[];
}

/**
 * Find the batches for which the store refuses a block: each half by itself, and so on. `storePart` makes a block of its own of
 * what it is given.
 */
export async function siftBlock(
  batches: readonly GatheredBatch[],
  storePart: (part: readonly GatheredBatch[]) => Promise<StoreOutcome>,
): Promise<SiftedBlock> {
  const refused: RefusedBatch[] = [];
  let storedBatches = 0;

  async function sift(part: readonly GatheredBatch[]): Promise<void> {
    const [first] = part;
    if (first === undefined) return;
    const result = await storePart(part);
    if (result.outcome === "stored") storedBatches += part.length;
    else if (part.length === 1) refused.push({ batch: first, error: result.error });
    else {
      const middle = part.length >> 1;
      await sift(part.slice(0, middle));
      await sift(part.slice(middle));
    }
  }

  const middle = batches.length >> 1;
  await sift(batches.slice(0, middle));
  await sift(batches.slice(middle));
  return { storedBatches, refused };
}
