import type { Store } from "@drawbridge/store";
import type { CertAuthorityDb } from "./schema.ts";

/** What a replica of a service works with, as it said last. */
export interface Acknowledgement {
  readonly service: string;
  readonly replica: string;
  readonly trustBundleSequence: bigint;
  readonly certificateSerial: string;
  readonly seenAt: Date;
}

export interface AcknowledgementRepository {
  write(acknowledgement: Acknowledgement): Promise<void>;
  /** Those seen since then, by name. */
  listSince(since: Date): Promise<readonly Acknowledgement[]>;
  /** Forget replicas that are gone for good. */
  deleteBefore(seenBefore: Date): Promise<void>;
}

/** A control plane has a few replicas of each service; names come from services that proved who they are. */
const maxListed = 500;

export function createAcknowledgementRepository(store: Pick<Store<CertAuthorityDb>, "db">): AcknowledgementRepository {
  return {
    write: async ({ service, replica, trustBundleSequence, certificateSerial, seenAt }) => {
      const facts = {
        trust_bundle_sequence: String(trustBundleSequence),
        certificate_serial: certificateSerial,
        seen_at: seenAt,
      };
      await store.db
        .insertInto("trust_acknowledgement")
        .values({ service, replica, ...facts })
        .onConflict((conflict) => conflict.columns(["service", "replica"]).doUpdateSet(facts))
        .execute();
    },
    listSince: async (since) => {
      const rows = await store.db
        .selectFrom("trust_acknowledgement")
        .selectAll()
        .where("seen_at", ">=", since)
        .orderBy("service")
        .orderBy("replica")
        .limit(maxListed)
        .execute();
      return rows.map((row) => ({
        service: row.service,
        replica: row.replica,
        trustBundleSequence: BigInt(row.trust_bundle_sequence),
        certificateSerial: row.certificate_serial,
        seenAt: row.seen_at,
      }));
    },
    deleteBefore: async (seenBefore) => {
      await store.db.deleteFrom("trust_acknowledgement").where("seen_at", "<", seenBefore).execute();
    },
  };
}
