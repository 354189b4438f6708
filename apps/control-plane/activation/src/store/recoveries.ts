import { enqueueEvent, sql, type Store, type Transaction } from "@drawbridge/store";
import { challengeLifeMs } from "../domain/recovery-challenge.ts";
import type { ChallengeUse, Recoveries } from "../domain/recover-agent.ts";
import { recoveryCompleted, recoveryRefused } from "../events/recovery-events.ts";
import type { ActivationDatabase } from "./database.ts";
import { isFabricDeleted, lockFabric } from "./deleted-fabrics.ts";
import { readRecoveryState } from "./recovery-states.ts";
import { owe } from "./revocation-duties.ts";
import { issuedToRow, recoveryFromRow } from "./rows.ts";

/** Recoveries on PostgreSQL. That a join state is left behind once rests on one conditional UPDATE. */
export function createRecoveries(store: Pick<Store<ActivationDatabase>, "db" | "transaction">): Recoveries {
  return {
    find: async (agentId, challengeId) => {
      const row = await store.db
        .selectFrom("enrolment")
        .innerJoin("activation_token", "activation_token.token_id", "enrolment.token_id")
        .leftJoin("deleted_fabric", "deleted_fabric.fabric_id", "enrolment.fabric_id")
        .select([
          "enrolment.agent_id",
          "enrolment.fabric_id",
          "enrolment.recovery_key_spki_der",
          "activation_token.fabric_name",
          "activation_token.org",
          "deleted_fabric.deleted_at",
        ])
        .select((of) =>
          of
            .exists(
              of
                .selectFrom("enrolment as later")
                .select("later.agent_id")
                .whereRef("later.fabric_id", "=", "enrolment.fabric_id")
                .where("later.issued_at", "is not", null)
                .where(sql<boolean>`(later.enrolled_at, later.agent_id) > (enrolment.enrolled_at, enrolment.agent_id)`),
            )
            .as("is_replaced"),
        )
        .where("enrolment.agent_id", "=", agentId)
        .executeTakeFirst();
      const challenge = await useOf(challengeId);
      if (!row) return { agent: undefined, challenge };
      return {
        agent: {
          agentId: row.agent_id,
          fabricId: row.fabric_id,
          fabricName: row.fabric_name,
          org: row.org,
          recoveryKeySpkiDer: row.recovery_key_spki_der,
          isFabricDeleted: row.deleted_at !== null,
          isReplaced: row.is_replaced === true,
        },
        challenge,
      };
    },

    state: (agentId, now) => readRecoveryState(store.db, agentId, now),

    begin: (recovery, known) =>
      store.transaction(async (tx) => {
        const fabricId = await fabricOf(tx, recovery.agentId);
        await lockFabric(tx, fabricId, "create");
        if (await isFabricDeleted(tx, fabricId)) return undefined;
        const moved = await tx
          .updateTable("recovery_state")
          .set({
            join_sequence: recovery.join.sequence,
            join_nonce: recovery.join.nonce,
            allowed_at: null,
            allowed_until: null,
            allowed_by: null,
            accepts_any_join_state: false,
          })
          .where("agent_id", "=", recovery.agentId)
          .where("locked_at", "is", null)
          .where("join_sequence", "=", known.joinSequence)
          .where("join_nonce", "is not distinct from", known.joinNonce ?? null)
          .where((where) =>
            where.not(
              where.exists(
                where
                  .selectFrom("spent_challenge")
                  .select("spent_at")
                  .where("spent_challenge.challenge_id", "=", recovery.challengeId),
              ),
            ),
          )
          .executeTakeFirst();
        if (moved.numUpdatedRows === 0n) return undefined;
        const row = await tx
          .insertInto("recovery")
          .values({
            challenge_id: recovery.challengeId,
            agent_id: recovery.agentId,
            join_sequence: recovery.join.sequence,
            join_nonce: recovery.join.nonce,
            presented_join_state_sha256: recovery.presentedJoinStateSha256,
            agent_spki_sha256: recovery.agentSpkiSha256,
            collector_spki_sha256: recovery.collectorSpkiSha256,
            allowed_by: recovery.allowedBy ?? null,
            agent_version: recovery.agentVersion,
            remote_address: recovery.remoteAddress,
            begun_at: recovery.begunAt,
          })
          .returningAll()
          .executeTakeFirstOrThrow();
        return recoveryFromRow(row);
      }),

    complete: ({ challengeId, agentId, allowedBy }, issued, { fabricId, remoteAddress, now }) =>
      store.transaction(async (tx) => {
        await lockFabric(tx, fabricId, "create");
        if (await isFabricDeleted(tx, fabricId)) {
          const serialNumbers = [issued.certificate.serialNumber, issued.monitoringCertificate.serialNumber];
          await owe(tx, { fabricId, serialNumbers, now });
          return "fabric_deleted";
        }
        const kept = await tx
          .updateTable("recovery")
          .set(issuedToRow(issued, now))
          .where("challenge_id", "=", challengeId)
          .where("issued_at", "is", null)
          .executeTakeFirst();
        if (kept.numUpdatedRows === 0n) return "kept_before";
        await enqueueEvent(tx, recoveryCompleted({ fabricId, agentId, issued, remoteAddress, allowedBy, now }));
        return "kept";
      }),

    lock: async (agentId, now) => {
      await store.db
        .updateTable("recovery_state")
        .set({ locked_at: now })
        .where("agent_id", "=", agentId)
        .where("locked_at", "is", null)
        .execute();
    },

    refuse: (refusal) =>
      store.transaction(async (tx) => {
        const { agentId, challengeId, now } = refusal;
        if (challengeId !== undefined) {
          await tx
            .deleteFrom("spent_challenge")
            .where("spent_at", "<", new Date(now.getTime() - 2 * challengeLifeMs))
            .execute();
          await tx
            .insertInto("spent_challenge")
            .values({ challenge_id: challengeId, spent_at: now })
            .onConflict((conflict) => conflict.column("challenge_id").doNothing())
            .execute();
          await tx
            .updateTable("recovery_state")
            .set({ last_refusal: refusal.code, last_refusal_at: now })
            .where("agent_id", "=", agentId)
            .execute();
        }
        await enqueueEvent(tx, recoveryRefused(refusal));
      }),
  };

  async function useOf(challengeId: string): Promise<ChallengeUse> {
    const recovery = await store.db
      .selectFrom("recovery")
      .selectAll()
      .where("challenge_id", "=", challengeId)
      .executeTakeFirst();
    if (recovery) return { use: "recovery", recovery: recoveryFromRow(recovery) };
    const spent = await store.db
      .selectFrom("spent_challenge")
      .select("spent_at")
      .where("challenge_id", "=", challengeId)
      .executeTakeFirst();
    return { use: spent ? "spent" : "none" };
  }
}

async function fabricOf(tx: Transaction<ActivationDatabase>, agentId: string): Promise<string> {
  const row = await tx
    .selectFrom("enrolment")
    .select("fabric_id")
    .where("agent_id", "=", agentId)
    .executeTakeFirstOrThrow();
  return row.fabric_id;
}
