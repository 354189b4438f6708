import { DrawbridgeError } from "@drawbridge/errors";
import type { Store } from "@drawbridge/store";
import { sql, type Selectable, type Transaction } from "kysely";
import type { SupersededBoot } from "../domain/boot.ts";
import type { FabricClockLimits } from "../domain/clock-limits.ts";
import type { ClusterInfo, HealthAlert, HeldCertificate } from "../domain/fabric.ts";
import type { AgentId, FabricId, SessionId } from "../domain/ids.ts";
import { decideSuccession } from "../domain/succession.ts";
import { announceFabric } from "../events/fabric-events.ts";
import { admit } from "./admit.ts";
import { alertsFromJson, certificatesToJson, clockLimitsFromRow, clusterToJson } from "./fabric-row.ts";
import type { FabricTable, RuntimeDatabase } from "./schema.ts";

export interface SessionClaim {
  readonly sessionId: SessionId;
  readonly agentId: AgentId;
  readonly fabricId: FabricId;
  readonly org: string;
  readonly bootId: string;
  readonly epoch: bigint;
  readonly replica: string;
  readonly serialNumber: string;
  readonly certificateNotAfter: Date;
  /** When the agent's first certificate was issued. */
  readonly issuedAt: Date;
  readonly observedGeneration: bigint;
  readonly snapshotDigest: string;
  readonly trustBundleSequence: bigint;
  readonly clockSkewMs: number;
  readonly cluster: ClusterInfo;
  readonly certificates: readonly HeldCertificate[];
  /** How long a process that was taken over from may live on; see `decideBoot`. */
  readonly bootGraceMs: number;
  readonly now: Date;
}

export interface WelcomedSession {
  /** Place among all sessions of the fabric: of two the higher one is current. */
  readonly order: bigint;
  readonly desiredGeneration: bigint;
  /** Another replica holds, or held until it broke, an earlier session of the fabric: it must be told. */
  readonly isTakenOver: boolean;
  /** What the agent reported before it came back: it stands until the first heartbeat. */
  readonly alerts: readonly HealthAlert[];
  /** The fabric's own. */
  readonly clockLimits: FabricClockLimits;
}

/** A hello that was answered with no, and was remembered. */
export interface RefusedSession {
  readonly refusal: DrawbridgeError;
  /** This hello locked the agent: its other session must go. */
  readonly isLockedNow: boolean;
}

type Tx = Transaction<RuntimeDatabase>;

/**
 * Make a session the current one of its fabric, or refuse it. Under the fabric's row lock, so that two replicas that
 * welcome at once agree on who came last, and only if the epoch is higher than any before (design R11, R12).
 * @throws DrawbridgeError `AGENT_UNKNOWN` | `FABRIC_DELETED` | `AGENT_SUPERSEDED` (permission_denied) |
 *   `EPOCH_SUPERSEDED` (failed_precondition; details.epoch is the highest one)
 */
export function welcomeSession(
  store: Store<RuntimeDatabase>,
  claim: SessionClaim,
): Promise<WelcomedSession | RefusedSession> {
  return store.transaction(async (tx) => {
    const fabric = await takeNextOrder(tx, claim);
    const earlier = await readAgent(tx, claim.agentId);
    const succession = await succeed(tx, fabric, claim, earlier !== undefined);
    const admission = earlier ? await admit(tx, claim, earlier) : { admission: "allowed" as const, superseded: [] };
    if (admission.admission === "refused") return admission;
    await writeAgent(tx, claim, fabric, admission.superseded);
    const about = { fabricId: claim.fabricId, name: fabric.name, agentId: claim.agentId, at: claim.now };
    if (succession !== "incumbent") await announceFabric(tx, "activated", { ...about, replica: "" });
    if (earlier?.state !== "connected") await announceFabric(tx, "connected", { ...about, replica: claim.replica });
    const isElsewhere = earlier !== undefined && earlier.replica !== "" && earlier.replica !== claim.replica;
    return {
      order: BigInt(fabric.session_order),
      desiredGeneration: BigInt(fabric.desired_generation),
      isTakenOver: isElsewhere || succession === "successor",
      alerts: earlier ? alertsFromJson(earlier.alerts) : [],
      clockLimits: clockLimitsFromRow(fabric),
    };
  });
}

type OrderedFabric = Pick<
  Selectable<FabricTable>,
  | "name"
  | "agent_id"
  | "agent_issued_at"
  | "session_order"
  | "desired_generation"
  | "deleted_at"
  | "clock_skew_warn_seconds"
  | "clock_skew_fail_seconds"
>;

async function takeNextOrder(tx: Tx, { fabricId, org }: SessionClaim): Promise<OrderedFabric> {
  const fabric = await tx
    .updateTable("fabric")
    .set({ session_order: sql`session_order + 1` })
    .where("fabric_id", "=", fabricId)
    .where("org", "=", org)
    .returning([
      "name",
      "agent_id",
      "agent_issued_at",
      "session_order",
      "desired_generation",
      "deleted_at",
      "clock_skew_warn_seconds",
      "clock_skew_fail_seconds",
    ])
    .executeTakeFirst();
  if (!fabric) throw refused("AGENT_UNKNOWN", "the fabric of this certificate is not known here");
  if (fabric.deleted_at !== null)
    throw refused("FABRIC_DELETED", "the fabric was deleted; activate it again to use it");
  return fabric;
}

/** Bind the agent to the fabric where it is the first or a successor. */
async function succeed(
  tx: Tx,
  fabric: OrderedFabric,
  claim: SessionClaim,
  wasSeen: boolean,
): Promise<"first" | "incumbent" | "successor"> {
  const incumbent =
    fabric.agent_id === null || fabric.agent_issued_at === null
      ? undefined
      : { agentId: fabric.agent_id as AgentId, issuedAt: fabric.agent_issued_at }; // written below, from a verified name
  const succession = decideSuccession(incumbent, { agentId: claim.agentId, issuedAt: claim.issuedAt });
  if (succession === "incumbent") return succession;
  // An agent that once spoke for the fabric and no longer does was superseded for good.
  if (succession === "superseded" || wasSeen) {
    throw refused("AGENT_SUPERSEDED", "the fabric was activated again and another agent speaks for it now");
  }
  await tx
    .updateTable("fabric")
    .set({ agent_id: claim.agentId, agent_issued_at: claim.issuedAt })
    .where("fabric_id", "=", claim.fabricId)
    .execute();
  if (incumbent) await retire(tx, incumbent.agentId, claim);
  return succession;
}

/** The predecessor keeps its row, so that it is known as superseded, and loses its certificates. */
async function retire(tx: Tx, predecessor: AgentId, claim: SessionClaim): Promise<void> {
  await tx
    .updateTable("agent")
    .set({ state: "disconnected", replica: "" })
    .where("agent_id", "=", predecessor)
    .execute();
  await sql`
    INSERT INTO revocation_duty (duty_id, fabric_id, serial_number, reason, created_at)
    SELECT gen_random_uuid(), ${claim.fabricId}, serial_number, 'agent superseded', ${claim.now}
    FROM certificate WHERE agent_id = ${predecessor} AND revoked_at IS NULL AND not_after > ${claim.now}
  `.execute(tx);
}

function readAgent(tx: Tx, agentId: AgentId) {
  return tx
    .selectFrom("agent")
    .select(["state", "replica", "alerts", "boot_id", "superseded_boots", "lock_reason", "lock_message", "locked_at"])
    .where("agent_id", "=", agentId)
    .forNoKeyUpdate()
    .executeTakeFirst();
}

async function writeAgent(
  tx: Tx,
  claim: SessionClaim,
  fabric: OrderedFabric,
  superseded: readonly SupersededBoot[],
): Promise<void> {
  // An agent that is ahead of the record (restored from a backup) has seen nothing of this incarnation yet.
  const desiredGeneration = BigInt(fabric.desired_generation);
  const columns = {
    epoch: claim.epoch,
    session_id: claim.sessionId,
    session_order: BigInt(fabric.session_order),
    boot_id: claim.bootId,
    state: "connected",
    replica: claim.replica,
    connected_at: sql<Date>`now()`,
    last_seen_at: sql<Date>`now()`,
    observed_generation: claim.observedGeneration > desiredGeneration ? 0n : claim.observedGeneration,
    snapshot_digest: claim.snapshotDigest,
    trust_bundle_sequence: claim.trustBundleSequence,
    clock_skew_ms: BigInt(claim.clockSkewMs),
    cluster: clusterToJson(claim.cluster),
    certificate_serial: claim.serialNumber,
    certificate_not_after: claim.certificateNotAfter,
    certificates: certificatesToJson(claim.certificates),
    superseded_boots: JSON.stringify(superseded),
    alerts_due_at: sql<Date>`now()`,
  } as const;
  const written = await tx
    .insertInto("agent")
    .values({ agent_id: claim.agentId, fabric_id: claim.fabricId, alerts: "[]", ...columns })
    .onConflict((conflict) =>
      conflict.column("agent_id").doUpdateSet(columns).where("agent.epoch", "<", String(claim.epoch)),
    )
    .returning("agent_id")
    .executeTakeFirst();
  if (written) return;
  const { epoch } = await tx
    .selectFrom("agent")
    .select("epoch")
    .where("agent_id", "=", claim.agentId)
    .executeTakeFirstOrThrow();
  throw new DrawbridgeError({
    kind: "failed_precondition",
    code: "EPOCH_SUPERSEDED",
    message: `the epoch ${claim.epoch} is not higher than ${epoch}, which this agent has used already`,
    details: { epoch },
  });
}

function refused(code: string, message: string): DrawbridgeError {
  return new DrawbridgeError({ kind: "permission_denied", code, message });
}
