import { DrawbridgeError } from "@drawbridge/errors";
import type { Selectable, Transaction } from "kysely";
import { decideBoot, mostTakeOvers, takeOverWindowMs, type SupersededBoot } from "../domain/boot.ts";
import type { LockReason } from "../domain/fabric.ts";
import { lockAgent } from "./lock-agent.ts";
import type { AgentTable, RuntimeDatabase, SupersededBootJson } from "./schema.ts";
import type { RefusedSession, SessionClaim } from "./welcome.ts";

type EarlierAgent = Pick<Selectable<AgentTable>, "boot_id" | "superseded_boots" | "lock_reason" | "lock_message">;

/**
 * May this process of a known agent speak for it? What is remembered of a refusal is written, so the caller must commit it.
 * Under the agent's row lock.
 */
export async function admit(
  tx: Transaction<RuntimeDatabase>,
  claim: SessionClaim,
  earlier: EarlierAgent,
): Promise<
  | { readonly admission: "allowed"; readonly superseded: readonly SupersededBoot[] }
  | ({ readonly admission: "refused" } & RefusedSession)
> {
  const { agentId, bootId, now } = claim;
  if (earlier.lock_reason !== "") {
    return { admission: "refused", refusal: agentLocked(earlier.lock_reason), isLockedNow: false };
  }
  const superseded = earlier.superseded_boots.map(bootFromJson);
  const decision = decideBoot({ current: earlier.boot_id, superseded, bootId, now, graceMs: claim.bootGraceMs });
  switch (decision.verdict) {
    case "same":
      return { admission: "allowed", superseded };
    case "next":
      return { admission: "allowed", superseded: decision.superseded };
    case "too_many":
      return { admission: "refused", refusal: tooManyBoots(decision.retryAfterMs), isLockedNow: false };
    case "told":
      await tx
        .updateTable("agent")
        .set({ superseded_boots: JSON.stringify(decision.superseded) })
        .where("agent_id", "=", agentId)
        .execute();
      return { admission: "refused", refusal: bootSuperseded(decision.retryAfterMs), isLockedNow: false };
    case "duplicate": {
      const message =
        "two processes use this agent's identity at the same time: stop one of them (a copied disk or machine), " +
        "then allow the fabric to recover";
      await lockAgent(tx, { agentId, reason: "DUPLICATE_AGENT", message, now });
      return { admission: "refused", refusal: agentLocked("DUPLICATE_AGENT"), isLockedNow: true };
    }
  }
}

export function agentLocked(reason: LockReason): DrawbridgeError {
  const why = {
    DUPLICATE_AGENT: "two processes used its identity at the same time",
    STALE_JOIN_STATE: "somebody tried to recover with a join state that is not the current one",
  }[reason];
  return new DrawbridgeError({
    kind: "permission_denied",
    code: "AGENT_LOCKED",
    message: `the agent is locked: ${why}; an operator decides with fabric recover, apps go on`,
    details: { reason },
  });
}

/** Not the last word: a process that is still alive after that is one of two. */
function bootSuperseded(retryAfterMs: number): DrawbridgeError {
  return new DrawbridgeError({
    kind: "failed_precondition",
    code: "BOOT_SUPERSEDED",
    message: "another process of this agent has taken over; this one waits, and should be stopped",
    retryAfterMs,
  });
}

function tooManyBoots(retryAfterMs: number): DrawbridgeError {
  const minutes = takeOverWindowMs / 60_000;
  return new DrawbridgeError({
    kind: "resource_exhausted",
    code: "AGENT_STARTED_TOO_OFTEN",
    message: `the agent was started ${mostTakeOvers} times within ${minutes} minutes, or several processes use its identity: this one waits`,
    retryAfterMs,
  });
}

function bootFromJson({ bootId, at, toldAt }: SupersededBootJson): SupersededBoot {
  return { bootId, at: dateOf(at), toldAt: dateOf(toldAt) };
}

function dateOf(text: string | undefined): Date | undefined {
  return text === undefined ? undefined : new Date(text);
}
