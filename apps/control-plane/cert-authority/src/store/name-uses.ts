import { sql, type Transaction } from "@drawbridge/store";
import type { SignedCertificate } from "../domain/certificate.ts";
import { nameWaitMs, type NameLimit, type NameUse } from "../domain/name-limit.ts";
import type { CertAuthorityDb } from "./schema.ts";

/**
 * Those of a group whose names have got enough, and how long they have to wait. One look into index certificate_name per
 * name, at what is unexpired; usually no row comes back. Two replicas that record at
 * the same instant do not see each other: a name may get a few more than the limit, once.
 */
export async function findLimited(
  tx: Transaction<CertAuthorityDb>,
  certificates: readonly SignedCertificate[],
  limit: NameLimit,
): Promise<ReadonlyMap<SignedCertificate, number>> {
  const asked = certificates.filter(({ fabricId }) => fabricId !== undefined);
  const [first] = asked;
  if (!first) return new Map();
  const byName = Map.groupBy(asked, ({ spiffeId }) => spiffeId);
  const most = Math.max(...[...byName.values()].map(({ length }) => length));
  const now = first.issuedAt;
  const uses = await readUses(tx, { names: [...byName.keys()], most, limit, now });
  const limited = new Map<SignedCertificate, number>();
  for (const [name, wanted] of byName) {
    for (const [nth, certificate] of wanted.entries()) {
      const waitMs = nameWaitMs(uses.get(name), nth, { limit, now });
      if (waitMs > 0) limited.set(certificate, waitMs);
    }
  }
  return limited;
}

/** Only of names that may be too many with `most` more. */
async function readUses(
  tx: Transaction<CertAuthorityDb>,
  query: { readonly names: readonly string[]; readonly most: number; readonly limit: NameLimit; readonly now: Date },
): Promise<ReadonlyMap<string, NameUse>> {
  const { names, most, limit, now } = query;
  const since = new Date(now.getTime() - limit.windowMs);
  const burstSince = new Date(now.getTime() - limit.burstWindowMs);
  const { rows } = await sql<{ name: string; n: number; oldest: Date; burst_n: number; burst_oldest: Date | null }>`
    SELECT asked.name, count(*)::int AS n, min(issued_at) AS oldest,
      (count(*) FILTER (WHERE issued_at > ${burstSince}::timestamptz))::int AS burst_n,
      min(issued_at) FILTER (WHERE issued_at > ${burstSince}::timestamptz) AS burst_oldest
    FROM unnest(${[...names]}::text[]) AS asked (name) CROSS JOIN LATERAL (
      SELECT issued_at FROM certificate WHERE spiffe_id = asked.name AND issued_at > ${since}::timestamptz
      ORDER BY issued_at DESC LIMIT ${limit.certificates}
    ) AS recent
    GROUP BY asked.name
    HAVING count(*) > ${limit.certificates - most}
      OR count(*) FILTER (WHERE issued_at > ${burstSince}::timestamptz) > ${limit.burst - most}
  `.execute(tx);
  return new Map(
    rows.map((row) => [
      row.name,
      { count: row.n, oldest: row.oldest, burstCount: row.burst_n, burstOldest: row.burst_oldest ?? undefined },
    ]),
  );
}
