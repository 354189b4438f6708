import { type AuditHead, type ChainFault, checkChain, emptyChain } from "../domain/audit-record.ts";
import type { AuditRepository } from "../store/audit-repository.ts";

export type ChainVerdict =
  | { readonly intact: true; readonly head: AuditHead }
  | ({ readonly intact: false } & ChainFault);

const batchSize = 1_000;

/**
 * Check the whole audit chain, oldest first. It is broken at the first record that is missing, altered or chained to
 * another one, and "cut off" where it ends before the head says. Records appended meanwhile are checked too.
 */
export async function verifyAuditChain(
  repository: Pick<AuditRepository, "read" | "readHead">,
  signal: AbortSignal,
): Promise<ChainVerdict> {
  const promised = await repository.readHead();
  let last = emptyChain;
  for (;;) {
    signal.throwIfAborted();
    const records = await repository.read(last.seq, batchSize);
    const verdict = checkChain(last, records);
    if (!verdict.intact) return verdict;
    if (last.seq < promised.seq && verdict.head.seq >= promised.seq) {
      const atHead = records.find((record) => record.seq === promised.seq);
      if (atHead?.hash !== promised.hash) return { intact: false, seq: promised.seq, fault: "altered" };
    }
    last = verdict.head;
    if (records.length < batchSize) break;
  }
  if (last.seq < promised.seq) return { intact: false, seq: last.seq + 1n, fault: "cut off" };
  return { intact: true, head: last };
}
