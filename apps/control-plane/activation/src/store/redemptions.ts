import { enqueueEvent, sql, type Store } from "@drawbridge/store";
import { mostApplicants } from "../domain/stored-token.ts";
import type { Redemptions } from "../domain/redeem-activation.ts";
import { tokenRedeemed, tokenRefused } from "../events/token-events.ts";
import type { ActivationDatabase } from "./database.ts";
import { isFabricDeleted, isFabricThere } from "./deleted-fabrics.ts";
import { owe } from "./revocation-duties.ts";
import { enrolmentFromRow, issuedToRow, tokenFromRow } from "./rows.ts";

/** Redemption on PostgreSQL. Single use rests on one conditional UPDATE, never on a read before a write. */
export function createRedemptions(store: Pick<Store<ActivationDatabase>, "db" | "transaction">): Redemptions {
  return {
    find: async (tokenId) => {
      const token = await store.db
        .selectFrom("activation_token")
        .leftJoin("deleted_fabric", "deleted_fabric.fabric_id", "activation_token.fabric_id")
        .selectAll("activation_token")
        .select("deleted_fabric.deleted_at as fabric_deleted_at")
        .where("token_id", "=", tokenId)
        .executeTakeFirst();
      // Asked for in every case, so that a known and an unknown id cost the same two look-ups.
      const enrolment = await store.db
        .selectFrom("enrolment")
        .selectAll()
        .where("token_id", "=", tokenId)
        .executeTakeFirst();
      if (!token) return undefined;
      return {
        token: tokenFromRow(token, enrolment?.agent_id),
        enrolment: enrolment && enrolmentFromRow(enrolment),
        isFabricDeleted: token.fabric_deleted_at !== null,
      };
    },

    consume: (presented, enrolment, now) =>
      store.transaction(async (tx) => {
        const consumed = await tx
          .updateTable("activation_token")
          .set({ state: "redeemed", redeemed_at: now })
          .where("token_id", "=", presented.tokenId)
          .where("token_sha256", "=", presented.sha256)
          .where("state", "=", "unused")
          .where("expires_at", ">", now)
          .where(isFabricThere("activation_token"))
          .where((where) =>
            where.or([where("key_sha256", "is", null), where("key_sha256", "=", enrolment.agentSpkiSha256)]),
          )
          .where((where) =>
            where.or([
              where("requires_approval", "=", false),
              where("approved_key_sha256", "=", enrolment.agentSpkiSha256),
            ]),
          )
          .returning("fabric_id")
          .executeTakeFirst();
        if (!consumed) return undefined;
        const row = await tx
          .insertInto("enrolment")
          .values({
            agent_id: enrolment.agentId,
            token_id: enrolment.tokenId,
            fabric_id: consumed.fabric_id,
            agent_spki_sha256: enrolment.agentSpkiSha256,
            collector_spki_sha256: enrolment.collectorSpkiSha256,
            recovery_key_spki_der: enrolment.recoveryKeySpkiDer,
            agent_version: enrolment.agentVersion,
            remote_address: enrolment.remoteAddress,
            enrolled_at: enrolment.enrolledAt,
            join_nonce: enrolment.joinNonce,
          })
          .returningAll()
          .executeTakeFirstOrThrow();
        await tx
          .insertInto("recovery_state")
          .values({ agent_id: enrolment.agentId, join_sequence: 1, join_nonce: enrolment.joinNonce })
          .execute();
        return enrolmentFromRow(row);
      }),

    complete: ({ agentId, tokenId }, issued, { fabricId, remoteAddress, now }) =>
      store.transaction(async (tx) => {
        const { certificate, monitoringCertificate } = issued;
        const kept = await tx
          .updateTable("enrolment")
          .set(issuedToRow(issued, now))
          .where("agent_id", "=", agentId)
          .where("issued_at", "is", null)
          .where("closed_at", "is", null)
          .where(isFabricThere("enrolment"))
          .executeTakeFirst();
        if (kept.numUpdatedRows === 0n) {
          if (!(await isFabricDeleted(tx, fabricId))) return "kept_before";
          const serialNumbers = [certificate.serialNumber, monitoringCertificate.serialNumber];
          await owe(tx, { fabricId, serialNumbers, now });
          return "fabric_deleted";
        }
        await enqueueEvent(tx, tokenRedeemed({ tokenId, fabricId, agentId, issued, remoteAddress, now }));
        return "kept";
      }),

    hold: ({ tokenId, fabricId, keySha256, agentVersion, remoteAddress, now }) =>
      store.transaction(async (tx) => {
        const asked = { remote_address: remoteAddress, agent_version: agentVersion, last_asked_at: now };
        const known = await tx
          .updateTable("activation_applicant")
          .set(asked)
          .where("token_id", "=", tokenId)
          .where("key_sha256", "=", keySha256)
          .executeTakeFirst();
        if (known.numUpdatedRows > 0n) return "held";
        // One at a time, or several would be the last one that still finds room.
        await tx
          .selectFrom("activation_token")
          .select("token_id")
          .where("token_id", "=", tokenId)
          .forUpdate()
          .execute();
        const { count } = await tx
          .selectFrom("activation_applicant")
          .select(sql<string>`count(*)`.as("count"))
          .where("token_id", "=", tokenId)
          .executeTakeFirstOrThrow();
        if (Number(count) >= mostApplicants) return "too_many";
        const inserted = await tx
          .insertInto("activation_applicant")
          .values({ token_id: tokenId, key_sha256: keySha256, first_asked_at: now, ...asked })
          .onConflict((conflict) => conflict.doNothing())
          .executeTakeFirst();
        if (inserted.numInsertedOrUpdatedRows === 0n) return "held";
        const code = "ACTIVATION_NOT_APPROVED";
        await enqueueEvent(tx, tokenRefused({ code, tokenId, fabricId, remoteAddress, keySha256, now }));
        return "held";
      }),

    refuse: (refusal) =>
      store.transaction(async (tx) => {
        if (refusal.code === "ACTIVATION_TOKEN_USED") {
          await tx
            .updateTable("activation_token")
            .set({ refused_uses: sql`refused_uses + 1` })
            .where("token_id", "=", refusal.tokenId)
            .execute();
        }
        await enqueueEvent(tx, tokenRefused(refusal));
      }),
  };
}
