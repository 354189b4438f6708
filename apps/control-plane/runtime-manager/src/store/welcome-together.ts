import type { Store } from "@drawbridge/store";
import { sql, type Selectable, type Transaction } from "kysely";
import { mostRemembered, mostTakeOvers, takeOverWindowMs } from "../domain/boot.ts";
import { announceFabrics } from "../events/fabric-events.ts";
import { alertsFromJson, clockLimitsFromRow, clusterToJson } from "./fabric-row.ts";
import type { AgentTable, AlertJson, RuntimeDatabase } from "./schema.ts";
import type { SessionClaim, WelcomedSession } from "./welcome.ts";

/**
 * Welcome agents for which there is nothing to decide: the one that speaks for its fabric already, in a higher epoch,
 * and the first that a fabric ever had. That is what herds are made of, so one statement takes many, and one more
 * announces them. undefined for everybody else: `welcomeSession` decides.
 */
export function welcomeTogether(
  store: Store<RuntimeDatabase>,
  claims: readonly SessionClaim[],
): Promise<readonly (WelcomedSession | undefined)[]> {
  return store.transaction(async (tx) => {
    const taken = new Map((await take(tx, claims)).map((row) => [row.place, row]));
    await announceFabrics(
      tx,
      claims.flatMap((claim, place) => newsOf(claim, taken.get(place))),
    );
    return claims.map((claim, place) => {
      const row = taken.get(place);
      return row && welcomed(claim, row);
    });
  });
}

interface TakenRow {
  readonly place: number;
  readonly alerts: readonly AlertJson[];
  readonly name: string;
  readonly is_first: boolean;
  readonly session_order: string;
  readonly desired_generation: string;
  /** null for an agent that never came before. */
  readonly earlier_state: Selectable<AgentTable>["state"] | null;
  readonly earlier_replica: string | null;
  readonly clock_skew_warn_seconds: number | null;
  readonly clock_skew_fail_seconds: number | null;
}

async function take(tx: Transaction<RuntimeDatabase>, claims: readonly SessionClaim[]): Promise<readonly TakenRow[]> {
  const { rows } = await sql<TakenRow>`
    WITH claim AS MATERIALIZED (
      SELECT * FROM jsonb_to_recordset(${JSON.stringify(claims.map(claimToJson))}::jsonb) AS claim (place int,
        session_id uuid, agent_id uuid, fabric_id uuid, org text, boot_id text, epoch bigint, replica text,
        issued_at timestamptz, certificate_serial text, certificate_not_after timestamptz, observed_generation bigint,
        snapshot_digest text, trust_bundle_sequence bigint, clock_skew_ms bigint, cluster jsonb, certificates jsonb)
    ),
    -- Fabrics before agents, and each in one order: nobody waits in a circle.
    locked_fabric AS MATERIALIZED (
      SELECT fabric.fabric_id, fabric.name, fabric.agent_id IS NULL AS is_first FROM fabric JOIN claim USING (fabric_id, org)
      WHERE fabric.deleted_at IS NULL AND (fabric.agent_id IS NULL OR fabric.agent_id = claim.agent_id)
      ORDER BY fabric.fabric_id FOR NO KEY UPDATE OF fabric
    ),
    earlier AS MATERIALIZED (
      SELECT agent.agent_id, agent.epoch, agent.state, agent.replica, agent.alerts, agent.boot_id,
        agent.superseded_boots, agent.lock_reason
      FROM claim JOIN locked_fabric USING (fabric_id) JOIN agent USING (agent_id)
      ORDER BY agent.agent_id FOR NO KEY UPDATE OF agent
    ),
    taken AS MATERIALIZED (
      SELECT claim.*, locked_fabric.name, locked_fabric.is_first, earlier.state AS earlier_state,
        earlier.replica AS earlier_replica, COALESCE(earlier.alerts, '[]') AS alerts,
        CASE WHEN earlier.boot_id <> claim.boot_id
          THEN jsonb_path_query_array(
            jsonb_build_array(jsonb_build_object('bootId', earlier.boot_id, 'at', now())) || earlier.superseded_boots,
            ${`$[0 to ${mostRemembered - 1}]`}::jsonpath)
          ELSE COALESCE(earlier.superseded_boots, '[]') END AS superseded_boots
      FROM claim JOIN locked_fabric USING (fabric_id) LEFT JOIN earlier USING (agent_id)
      -- An agent that is known but does not speak for its fabric was superseded for good. A process that was taken over
      -- from and comes back, one of very many, and a locked agent, are looked at one by one.
      WHERE CASE WHEN locked_fabric.is_first THEN earlier.agent_id IS NULL
        ELSE earlier.epoch < claim.epoch AND earlier.lock_reason = '' AND (earlier.boot_id = claim.boot_id OR
          NOT earlier.superseded_boots @> jsonb_build_array(jsonb_build_object('bootId', claim.boot_id)) AND
          (SELECT count(*) FROM jsonb_array_elements(earlier.superseded_boots) AS boot
            WHERE (boot ->> 'at')::timestamptz > now() - ${takeOverWindowMs} * interval '1 ms') < ${mostTakeOvers}) END
    ),
    ordered AS (
      UPDATE fabric SET session_order = session_order + 1, agent_id = taken.agent_id,
        agent_issued_at = CASE WHEN taken.is_first THEN taken.issued_at ELSE fabric.agent_issued_at END
      FROM taken WHERE fabric.fabric_id = taken.fabric_id
      RETURNING fabric.fabric_id, fabric.session_order, fabric.desired_generation, fabric.clock_skew_warn_seconds,
        fabric.clock_skew_fail_seconds
    ),
    written AS (
      INSERT INTO agent (agent_id, fabric_id, epoch, session_id, session_order, boot_id, state, replica, connected_at,
        last_seen_at, observed_generation, snapshot_digest, trust_bundle_sequence, clock_skew_ms, cluster, alerts,
        certificate_serial, certificate_not_after, certificates, superseded_boots)
      SELECT agent_id, fabric_id, epoch, session_id, session_order, boot_id, 'connected', replica, now(), now(),
        -- An agent that is ahead of the record (restored from a backup) has seen nothing of this incarnation yet.
        CASE WHEN observed_generation > desired_generation THEN 0 ELSE observed_generation END,
        snapshot_digest, trust_bundle_sequence, clock_skew_ms, cluster, alerts, certificate_serial,
        certificate_not_after, certificates, superseded_boots
      FROM taken JOIN ordered USING (fabric_id) ORDER BY agent_id
      ON CONFLICT (agent_id) DO UPDATE SET (epoch, session_id, session_order, boot_id, state, replica, connected_at,
          last_seen_at, observed_generation, snapshot_digest, trust_bundle_sequence, clock_skew_ms, cluster,
          certificate_serial, certificate_not_after, certificates, superseded_boots, alerts_due_at) =
        (excluded.epoch, excluded.session_id, excluded.session_order, excluded.boot_id, excluded.state,
          excluded.replica, excluded.connected_at, excluded.last_seen_at, excluded.observed_generation,
          excluded.snapshot_digest, excluded.trust_bundle_sequence, excluded.clock_skew_ms, excluded.cluster,
          excluded.certificate_serial, excluded.certificate_not_after, excluded.certificates, excluded.superseded_boots,
          -- A herd that comes back as it was gives nothing to look at.
          CASE WHEN agent.certificates = excluded.certificates AND agent.state = 'connected'
              AND agent.certificate_serial = excluded.certificate_serial
              AND agent.trust_bundle_sequence = excluded.trust_bundle_sequence
              AND abs(agent.clock_skew_ms - excluded.clock_skew_ms) < 1000
            THEN agent.alerts_due_at ELSE now() END)
      WHERE agent.epoch < excluded.epoch
      RETURNING agent_id
    )
    SELECT taken.place, taken.alerts, taken.name, taken.is_first, taken.earlier_state, taken.earlier_replica, ordered.session_order,
      ordered.desired_generation, ordered.clock_skew_warn_seconds, ordered.clock_skew_fail_seconds
    FROM written JOIN taken USING (agent_id) JOIN ordered USING (fabric_id)
  `.execute(tx);
  return rows;
}

function newsOf(claim: SessionClaim, row: TakenRow | undefined): Parameters<typeof announceFabrics>[1] {
  if (!row) return [];
  const about = { fabricId: claim.fabricId, name: row.name, agentId: claim.agentId, at: claim.now };
  return [
    ...(row.is_first ? [{ ...about, fact: "activated" as const, replica: "" }] : []),
    ...(row.earlier_state === "connected" ? [] : [{ ...about, fact: "connected" as const, replica: claim.replica }]),
  ];
}

function welcomed(claim: SessionClaim, row: TakenRow): WelcomedSession {
  const earlierReplica = row.earlier_replica ?? "";
  return {
    order: BigInt(row.session_order),
    desiredGeneration: BigInt(row.desired_generation),
    alerts: alertsFromJson(row.alerts),
    isTakenOver: earlierReplica !== "" && earlierReplica !== claim.replica,
    clockLimits: clockLimitsFromRow(row),
  };
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
    issued_at: claim.issuedAt,
    certificate_serial: claim.serialNumber,
    certificate_not_after: claim.certificateNotAfter,
    observed_generation: String(claim.observedGeneration),
    snapshot_digest: claim.snapshotDigest,
    trust_bundle_sequence: String(claim.trustBundleSequence),
    clock_skew_ms: claim.clockSkewMs,
    cluster: JSON.parse(clusterToJson(claim.cluster)) as unknown,
    certificates: claim.certificates,
  };
}
