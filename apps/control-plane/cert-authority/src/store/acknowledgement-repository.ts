import { sql, type Store } from "@drawbridge/store";
import type { CertAuthorityDb } from "./schema.ts";

/** What a replica of a service works with, as it said last. */
export interface Acknowledgement {
  readonly service: string;
  readonly replica: string;
  readonly trustBundleSequence: bigint;
  readonly certificateSerial: string;
}

/** By PostgreSQL's clock: replicas of cert-authority need not agree on the time. */
export interface SeenAcknowledgement extends Acknowledgement {
  readonly seenAt: Date;
  readonly seenAgoMs: number;
}

export interface AcknowledgementRepository {
  write(acknowledgement: Acknowledgement): Promise<void>;
  /** Those seen within this time, by name. */
  list(options: { readonly seenWithinMs: number }): Promise<readonly SeenAcknowledgement[]>;
  /** Forget replicas that are gone for good. */
  forget(options: { readonly unseenForMs: number }): Promise<void>;
}

/** A control plane has a few replicas of each service; names come from services that proved who they are. */
const maxListed = 500;

export function createAcknowledgementRepository(store: Pick<Store<CertAuthorityDb>, "db">): AcknowledgementRepository {
  return {
    write: async ({ service, replica, trustBundleSequence, certificateSerial }) => {
      const facts = {
        trust_bundle_sequence: String(trustBundleSequence),
        certificate_serial: certificateSerial,
        seen_at: sql<Date>`clock_timestamp()`,
      };
      await store.db
        .insertInto("trust_acknowledgement")
        .values({ service, replica, ...facts })
        .onConflict((conflict) => conflict.columns(["service", "replica"]).doUpdateSet(facts))
        .execute();
    },
    list: async ({ seenWithinMs }) => {
      const rows = await store.db
        .selectFrom("trust_acknowledgement")
        .selectAll()
        .select(sql<number>`(extract(epoch FROM clock_timestamp() - seen_at) * 1000)::float8`.as("seen_ago_ms"))
        .where("seen_at", ">=", ago(seenWithinMs))
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
        seenAgoMs: row.seen_ago_ms,
      }));
    },
    forget: async ({ unseenForMs }) => {
      await store.db.deleteFrom("trust_acknowledgement").where("seen_at", "<", ago(unseenForMs)).execute();
    },
  };
}

function ago(ms: number) {
  return sql<Date>`clock_timestamp() - ${ms / 1000} * interval '1 second'`;
}
