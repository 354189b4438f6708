import { createHash } from "node:crypto";

/** The messages of each fabric that were stored last: one of them that comes again is not counted again. */
export interface RememberedBatches {
  has(fabricId: string, batch: number): boolean;
  add(fabricId: string, batch: number): void;
}

/** At a message every 15 s four hours: a collector sends again what it got no answer to, and that is its newest. */
export const rememberedPerFabric = 1_024;

export function createRememberedBatches(): RememberedBatches {
  const fabrics = new Map<string, Set<number>>();
  return {
    has: (fabricId, batch) => fabrics.get(fabricId)?.has(batch) ?? false,
    add: (fabricId, batch) => {
      let batches = fabrics.get(fabricId);
      if (batches === undefined) fabrics.set(fabricId, (batches = new Set()));
      batches.delete(batch);
      batches.add(batch);
      if (batches.size > rememberedPerFabric) for (const oldest of batches.keys()) return void batches.delete(oldest);
    },
  };
}

/** The name of a message: 53 bits of the SHA-256 of its bytes, before compression. Never 0. */
export function batchOf(body: Uint8Array): number {
  const digest = createHash("sha256").update(body).digest();
  return digest.readUInt32BE(0) * 2 ** 21 + (digest.readUInt32BE(4) >>> 11) || 1;
}
