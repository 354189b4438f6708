import { DrawbridgeError } from "@drawbridge/errors";
import { bundleRoots, issuingRootOf, type AuthorityState, type CaKey, type RotationPhase } from "./ca-key.ts";

/** A party that has to follow a rotation. */
export interface Follower {
  readonly kind: "agent" | "collector" | "service";
  /** Fabric name, or service and replica. */
  readonly name: string;
  /** Absent for services. */
  readonly fabricId: string | undefined;
  readonly trustBundleSequence: bigint;
  /** The root that its certificate leads to; absent if we have no record of the certificate. */
  readonly rootId: string | undefined;
  readonly lastSeenAt: Date;
  /** Seen within the last five minutes: only those are waited for. */
  readonly isLive: boolean;
}

/** Of agents and collectors nothing is known while runtime-manager does not answer. */
export type Followers =
  | { readonly outcome: "known"; readonly followers: readonly Follower[] }
  | { readonly outcome: "unknown"; readonly services: readonly Follower[]; readonly reason: string };

/** What the rotation of the root does next. Each is one transaction. */
export type RotationStep =
  | { readonly step: "start" }
  | {
      readonly step: "enter";
      readonly from: RotationPhase;
      readonly to: "update_clients" | "update_servers" | "standby";
      readonly stranded: readonly Follower[];
    }
  | { readonly step: "roll_back" }
  | { readonly step: "retire_root"; readonly id: string };

export interface RotationTimes {
  readonly graceSeconds: number;
  /** From when nothing live chains to an old root until it leaves the bundle. */
  readonly retirementDelaySeconds: number;
}

/** More roots at once than that nobody needs; a bundle holds 16. */
const maxRoots = 4;
const nextPhase = { init: "update_clients", update_clients: "update_servers", update_servers: "standby" } as const;

/** True if its certificate is under the root that is issued under now. */
export function isCertificateCurrent(state: AuthorityState, follower: Follower): boolean {
  return follower.rootId === issuingRootOf(state, follower.kind === "service" ? "service" : "fabric");
}

/**
 * True if the end of the phase would strand it. In every phase: the bundle is not acknowledged. In update_clients also
 * agents and collectors, in update_servers also services, whose certificate is under the old root.
 */
export function isBehind(state: AuthorityState, follower: Follower): boolean {
  const { phase } = state.rotation;
  if (follower.trustBundleSequence < state.sequence) return true;
  if (phase === "update_clients") return follower.kind !== "service" && !isCertificateCurrent(state, follower);
  return phase === "update_servers" && !isCertificateCurrent(state, follower);
}

/** The followers that a phase waits for. */
export function waitedFor(state: AuthorityState, followers: readonly Follower[]): readonly Follower[] {
  if (!(state.rotation.phase in nextPhase)) return [];
  return followers.filter((follower) => follower.isLive && isBehind(state, follower));
}

/** Earliest time at which the next phase begins by itself; undefined where no time decides. */
export function nextPhaseAt({ rotation }: AuthorityState, times: RotationTimes): Date | undefined {
  if (rotation.phase === "standby" || rotation.phase === "rollback") return undefined;
  return new Date(rotation.since.getTime() + times.graceSeconds * 1000);
}

/** By itself a phase ends when its grace has passed and every live follower has followed. */
export function planAdvance(
  state: AuthorityState,
  followers: Followers,
  options: { readonly now: Date; readonly times: RotationTimes },
): RotationStep | undefined {
  const { phase } = state.rotation;
  const dueAt = nextPhaseAt(state, options.times);
  if (phase === "standby" || phase === "rollback" || !dueAt || options.now < dueAt) return undefined;
  if (followers.outcome === "unknown" || waitedFor(state, followers.followers).length > 0) return undefined;
  return { step: "enter", from: phase, to: nextPhase[phase], stranded: [] };
}

/**
 * An operator's step: without the grace time; with force also without the followers that are behind.
 * @throws DrawbridgeError (failed_precondition) `ROTATION_NOT_STARTED` | `ROTATION_PHASE_CHANGED` |
 * `ROTATION_NOT_ACKNOWLEDGED`; `ROTATION_FOLLOWERS_UNKNOWN` (unavailable), also with force: nobody could say whom it strands
 */
export function planForcedAdvance(
  state: AuthorityState,
  followers: Followers,
  options: { readonly fromPhase: RotationPhase; readonly mode: "acknowledged" | "force" },
): RotationStep {
  const { phase } = state.rotation;
  if (options.fromPhase !== phase) {
    throw refused("ROTATION_PHASE_CHANGED", `the rotation is in phase ${phase} by now, not in ${options.fromPhase}`);
  }
  if (phase === "standby") throw notStarted("there is no rotation that could go on");
  if (phase === "rollback")
    throw notStarted("a roll-back ends by itself, when nothing chains to the new root any more");
  if (followers.outcome === "unknown") {
    throw new DrawbridgeError({
      kind: "unavailable",
      code: "ROTATION_FOLLOWERS_UNKNOWN",
      message: `runtime-manager does not say which agents have followed (${followers.reason}); try again when it answers`,
      retryAfterMs: 2_000,
    });
  }
  const stranded = waitedFor(state, followers.followers);
  if (stranded.length > 0 && options.mode !== "force") {
    const names = namesOf(stranded);
    throw refused(
      "ROTATION_NOT_ACKNOWLEDGED",
      `${stranded.length} have not followed yet and would be stranded: ${names}`,
      {
        stranded: names,
      },
    );
  }
  return { step: "enter", from: phase, to: nextPhase[phase], stranded };
}

/** @throws DrawbridgeError `ROTATION_IN_PROGRESS` (failed_precondition) */
export function planStart(state: AuthorityState): RotationStep {
  if (state.rotation.phase !== "standby") {
    throw refused("ROTATION_IN_PROGRESS", `a rotation is under way, in phase ${state.rotation.phase}`);
  }
  if (bundleRoots(state).length >= maxRoots) {
    throw refused(
      "ROTATION_IN_PROGRESS",
      `${maxRoots} roots are in the trust bundle: wait until an old one has left it`,
    );
  }
  return { step: "start" };
}

/** @throws DrawbridgeError `ROTATION_NOT_STARTED` (failed_precondition) */
export function planRollBack(state: AuthorityState): RotationStep | undefined {
  const { phase } = state.rotation;
  if (phase === "rollback") return undefined; // said twice
  if (phase !== "standby") return { step: "roll_back" };
  throw notStarted("there is no rotation to go back from; a finished one is undone by another rotation");
}

/** Old roots that may leave the bundle as soon as nothing live chains to them. */
export function retirableRoots({ keys, rotation }: AuthorityState): readonly CaKey[] {
  return keys.filter(({ id, kind, state }) => {
    if (kind !== "root" || state !== "old") return false;
    if (rotation.phase === "standby") return true;
    if (rotation.phase === "rollback") return id !== rotation.oldRootId;
    return id !== rotation.oldRootId && id !== rotation.newRootId;
  });
}

/**
 * When an old root leaves the bundle: a while after it ceased to issue and its last leaf ended (design R8).
 * `lastLeafEndsAt` is the latest end, by expiry or revocation, of a certificate under it.
 */
export function retiresAt(
  root: Pick<CaKey, "oldAt">,
  lastLeafEndsAt: Date | undefined,
  times: Pick<RotationTimes, "retirementDelaySeconds">,
): Date {
  const lastMs = Math.max(root.oldAt?.getTime() ?? 0, lastLeafEndsAt?.getTime() ?? 0);
  return new Date(lastMs + times.retirementDelaySeconds * 1000);
}

const namesShown = 20;

function namesOf(followers: readonly Follower[]): string {
  const names = followers.slice(0, namesShown).map(({ kind, name }) => `${kind} ${name}`);
  const more = followers.length - names.length;
  return names.join(", ") + (more > 0 ? ` and ${more} more` : "");
}

function notStarted(message: string): DrawbridgeError {
  return refused("ROTATION_NOT_STARTED", message);
}

function refused(code: string, message: string, details: Readonly<Record<string, string>> = {}): DrawbridgeError {
  return new DrawbridgeError({ kind: "failed_precondition", code, message, details });
}
