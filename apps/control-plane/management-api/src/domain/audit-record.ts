import { createHash } from "node:crypto";

export type AuditResult =
  /** It was done. */
  | "success"
  /** The caller may not do it, or is nobody we know. */
  | "refused"
  /** It was allowed and did not come about. */
  | "failed"
  /** The process died between the act and its record: look at the thing itself. */
  | "unknown";

/** What is said of one act. */
export interface AuditEntry {
  readonly occurredAt: Date;
  /** The request's id, or the id of the event. */
  readonly requestId: string;
  /** A user name, a SPIFFE ID, a service, or "anonymous". */
  readonly actor: string;
  /** Address that it came from; empty if unknown. */
  readonly address: string;
  /** `<noun>.<verb>`, for example "app.deploy". */
  readonly action: string;
  /** What it was done to, for example "app/production/hello". */
  readonly target: string;
  readonly result: AuditResult;
  /** HTTP status of the answer; 0 for what did not come by HTTP. */
  readonly statusCode: number;
  /** Empty when it went well. */
  readonly errorCode: string;
  /** Further facts, never a secret. */
  readonly details: Readonly<Record<string, string>>;
}

/** An entry with its place in the chain. */
export interface AuditRecord extends AuditEntry {
  /** From 1, without a gap. */
  readonly seq: bigint;
  /** Lower-case hex SHA-256 of the record before; of the first one `genesisHash`. */
  readonly prevHash: string;
  readonly hash: string;
}

/** What the first record is chained to. */
export const genesisHash = "0".repeat(64);

/**
 * The hash of a record: SHA-256 over a JSON array with a fixed order of fields, the hash of the record before among
 * them, so that no record can be changed, removed or put in between without breaking every later one (design R24).
 */
export function auditHash(seq: bigint, prevHash: string, entry: AuditEntry): string {
  const details = Object.entries(entry.details).toSorted(([a], [b]) => (a < b ? -1 : 1));
  const canonical = JSON.stringify([
    "drawbridge.audit.v1",
    String(seq),
    prevHash,
    entry.occurredAt.toISOString(),
    entry.requestId,
    entry.actor,
    entry.address,
    entry.action,
    entry.target,
    entry.result,
    entry.statusCode,
    entry.errorCode,
    details,
  ]);
  return createHash("sha256").update(canonical, "utf8").digest("hex");
}

/** The last record of a chain. */
export interface AuditHead {
  readonly seq: bigint;
  readonly hash: string;
}

export const emptyChain: AuditHead = { seq: 0n, hash: genesisHash };

/** Append an entry to a chain that ends in `head`. */
export function chainEntry(head: AuditHead, entry: AuditEntry): AuditRecord {
  const seq = head.seq + 1n;
  return { ...entry, seq, prevHash: head.hash, hash: auditHash(seq, head.hash, entry) };
}

export type ChainFault = {
  /** The first sequence number at which the chain does not hold. */
  readonly seq: bigint;
  readonly fault: "missing" | "altered" | "unchained" | "cut off";
};

/** Check the records that follow `head`, in order. */
export function checkChain(
  head: AuditHead,
  records: readonly AuditRecord[],
): { readonly intact: true; readonly head: AuditHead } | ({ readonly intact: false } & ChainFault) {
  let last = head;
  for (const record of records) {
    const seq = last.seq + 1n;
    if (record.seq !== seq) return { intact: false, seq, fault: "missing" };
    if (record.prevHash !== last.hash) return { intact: false, seq, fault: "unchained" };
    if (record.hash !== auditHash(seq, last.hash, record)) return { intact: false, seq, fault: "altered" };
    last = { seq, hash: record.hash };
  }
  return { intact: true, head: last };
}
