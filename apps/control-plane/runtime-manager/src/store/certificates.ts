import type { Store } from "@drawbridge/store";
import { sql, type Kysely } from "kysely";
import { createBatcher } from "./batcher.ts";
import type { RuntimeDatabase } from "./schema.ts";

/** What is known here of a certificate, so that its owner can come back while the certificate authority is away. */
export interface KnownCertificate {
  readonly serialNumber: string;
  readonly agentId: string | undefined;
  readonly fabricId: string | undefined;
  readonly notBefore: Date;
  readonly notAfter: Date;
  readonly revokedAt: Date | undefined;
  /** Empty if it was not revoked, or if nobody said why. */
  readonly revocationReason: string;
}

export interface OwnersFirst {
  /** When the oldest certificate of the same agent that is known here was issued. */
  readonly firstIssuedAt: Date;
}

export interface CertificateRepository {
  find(serialNumber: string): Promise<(KnownCertificate & OwnersFirst) | undefined>;
  /** Remember a certificate. A revocation that is known already stays, whatever an older answer says. */
  remember(certificate: KnownCertificate): Promise<void>;
  /** Remember a revocation, also of a certificate that never came here. */
  revoke(revocation: {
    readonly serialNumber: string;
    readonly fabricId: string | undefined;
    readonly reason: string;
    readonly at: Date;
  }): Promise<void>;
  /** Forget what expired: TLS refuses it anyway. Answers how many. */
  forgetExpired(before: Date): Promise<number>;
}

/** A revocation of a certificate that was never seen is kept for longer than any certificate lives (design R2: 30 d). */
const longestLife = "31 days";

export function createCertificateRepository(store: Store<RuntimeDatabase>): CertificateRepository {
  return {
    find: createBatcher({ size: 256, lanes: 2, run: (serialNumbers) => findAll(store.db, serialNumbers) }),
    remember: async (certificate) => {
      await store.db
        .insertInto("certificate")
        .values({
          serial_number: certificate.serialNumber,
          agent_id: certificate.agentId ?? null,
          fabric_id: certificate.fabricId ?? null,
          not_before: certificate.notBefore,
          not_after: certificate.notAfter,
          revoked_at: certificate.revokedAt ?? null,
          revocation_reason: certificate.revocationReason.slice(0, 200),
        })
        .onConflict((conflict) =>
          conflict.column("serial_number").doUpdateSet({
            agent_id: sql`excluded.agent_id`,
            fabric_id: sql`excluded.fabric_id`,
            not_before: sql`excluded.not_before`,
            not_after: sql`excluded.not_after`,
            revoked_at: sql`COALESCE(certificate.revoked_at, excluded.revoked_at)`,
            revocation_reason: sql`CASE WHEN certificate.revoked_at IS NULL
              THEN excluded.revocation_reason ELSE certificate.revocation_reason END`,
          }),
        )
        .execute();
    },
    revoke: async ({ serialNumber, fabricId, reason, at }) => {
      await sql`
        INSERT INTO certificate (serial_number, fabric_id, not_before, not_after, revoked_at, revocation_reason)
        VALUES (${serialNumber}, ${fabricId ?? null}, ${at}, ${at}::timestamptz + ${longestLife}::interval, ${at},
          ${reason.slice(0, 200)})
        ON CONFLICT (serial_number) DO UPDATE SET revoked_at = excluded.revoked_at,
          revocation_reason = excluded.revocation_reason
        WHERE certificate.revoked_at IS NULL
      `.execute(store.db);
    },
    forgetExpired: async (before) => {
      const { numDeletedRows } = await store.db
        .deleteFrom("certificate")
        .where("not_after", "<", before)
        .executeTakeFirst();
      return Number(numDeletedRows);
    },
  };
}

async function findAll(
  db: Kysely<RuntimeDatabase>,
  serialNumbers: readonly string[],
): Promise<readonly ((KnownCertificate & OwnersFirst) | undefined)[]> {
  const rows = await db
    .selectFrom("certificate")
    .selectAll()
    .select((eb) =>
      eb
        .selectFrom("certificate as sibling")
        .select((first) => first.fn.min("sibling.not_before").as("first"))
        .whereRef("sibling.agent_id", "=", "certificate.agent_id")
        .as("first_issued_at"),
    )
    .where("serial_number", "=", sql<string>`ANY(${serialNumbers}::text[])`)
    .execute();
  const bySerial = new Map(
    rows.map((row) => [
      row.serial_number,
      {
        serialNumber: row.serial_number,
        agentId: row.agent_id ?? undefined,
        fabricId: row.fabric_id ?? undefined,
        notBefore: row.not_before,
        notAfter: row.not_after,
        revokedAt: row.revoked_at ?? undefined,
        revocationReason: row.revocation_reason,
        firstIssuedAt: row.first_issued_at ?? row.not_before,
      },
    ]),
  );
  return serialNumbers.map((serialNumber) => bySerial.get(serialNumber));
}
