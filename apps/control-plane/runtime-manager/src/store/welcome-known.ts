import type { Store } from "@drawbridge/store";
import { sql } from "kysely";
import { clusterToJson, alertsToJson } from "./fabric-row.ts";
import type { RuntimeDatabase } from "./schema.ts";
import type { SessionClaim, WelcomedSession } from "./welcome.ts";

/**
 * Welcome agents that come back: each speaks for its fabric already, is connected as far as anybody knows, and has a
 * higher epoch. That is what a herd after a restart is made of, and there is nothing to decide and to announce, so one
 * statement takes many. undefined for everybody else: `welcomeSession` decides.
 */
export async function welcomeKnown(
  store: Store<RuntimeDatabase>,
  claims: readonly SessionClaim[],
): Promise<readonly (WelcomedSession | undefined)[]> {
  const { rows } = await sql<{
    place: number;
    session_order: string;
    desired_generation: string;
    earlier_replica: string;
  }>`
    WITH claim AS MATERIALIZED (
      SELECT * FROM jsonb_to_recordset(${JSON.stringify(claims.map(claimToJson))}::jsonb) AS claim (place int,
        session_id uuid, agent_id uuid, fabric_id uuid, org text, boot_id text, epoch bigint, replica text,
        certificate_serial text, certificate_not_after timestamptz, observed_generation bigint, snapshot_digest text,
        trust_bundle_sequence bigint, clock_skew_ms bigint, cluster jsonb, alerts jsonb)
    ),
    -- Fabrics before agents, and each in one order: nobody waits in a circle.
    locked_fabric AS MATERIALIZED (
      SELECT fabric.fabric_id FROM fabric JOIN claim USING (fabric_id, org, agent_id)
      WHERE fabric.deleted_at IS NULL ORDER BY fabric.fabric_id FOR NO KEY UPDATE OF fabric
    ),
    locked AS MATERIALIZED (
      SELECT claim.*, agent.replica AS earlier_replica
      FROM claim JOIN locked_fabric USING (fabric_id) JOIN agent USING (agent_id)
      WHERE agent.epoch < claim.epoch AND agent.state = 'connected'
      ORDER BY agent.agent_id FOR NO KEY UPDATE OF agent
    ),
    ordered AS (
      UPDATE fabric SET session_order = session_order + 1 FROM locked WHERE fabric.fabric_id = locked.fabric_id
      RETURNING fabric.fabric_id, fabric.session_order, fabric.desired_generation
    )
    UPDATE agent SET epoch = locked.epoch, session_id = locked.session_id, session_order = ordered.session_order,
      boot_id = locked.boot_id, replica = locked.replica, connected_at = now(), last_seen_at = now(),
      observed_generation =
        CASE WHEN locked.observed_generation > ordered.desired_generation THEN 0 ELSE locked.observed_generation END,
      snapshot_digest = locked.snapshot_digest, trust_bundle_sequence = locked.trust_bundle_sequence,
      clock_skew_ms = locked.clock_skew_ms, cluster = locked.cluster, alerts = locked.alerts,
      certificate_serial = locked.certificate_serial, certificate_not_after = locked.certificate_not_after
    FROM locked JOIN ordered USING (fabric_id) WHERE agent.agent_id = locked.agent_id
    RETURNING locked.place, ordered.session_order, ordered.desired_generation, locked.earlier_replica
  `.execute(store.db);
  const welcomed = new Map(rows.map((row) => [row.place, row]));
  return claims.map((claim, place) => {
    const row = welcomed.get(place);
    return (
      row && {
        order: BigInt(row.session_order),
        desiredGeneration: BigInt(row.desired_generation),
        isTakenOver: row.earlier_replica !== "" && row.earlier_replica !== claim.replica,
      }
    );
  });
}

function claimToJson(claim: SessionClaim, place: number) {
  return {
    place,
    session_id: claim.sessionId,
    agent_id: claim.agentId,
    fabric_id: claim.fabricId,
    org: claim.org,
    boot_id: claim.bootId,
    epoch: String(claim.epoch),
    replica: claim.replica,
    certificate_serial: claim.serialNumber,
    certificate_not_after: claim.certificateNotAfter,
    observed_generation: String(claim.observedGeneration),
    snapshot_digest: claim.snapshotDigest,
    trust_bundle_sequence: String(claim.trustBundleSequence),
    clock_skew_ms: claim.clockSkewMs,
    cluster: JSON.parse(clusterToJson(claim.cluster)) as unknown,
    alerts: JSON.parse(alertsToJson(claim.alerts)) as unknown,
  };
}
