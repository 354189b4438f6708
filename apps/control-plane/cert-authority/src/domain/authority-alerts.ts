import { bundleRoots, issuingRootOf, issuingUnder, requireKey, type AuthorityState } from "./ca-key.ts";
import { activateAt, isValidFrom } from "./issuing-roll-over.ts";
import { nextPhaseAt, waitedFor, type Followers, type RotationTimes } from "./rotation.ts";

/** A root is replaced before its last year: issuing CAs would be cut short, and an agent may be away for months. */
const rootWarningMs = 365 * 86_400_000;

/** What needs attention, one sentence each. */
export function authorityAlerts(facts: {
  readonly state: AuthorityState;
  readonly followers: Followers;
  readonly newerSequence: bigint | undefined;
  readonly now: Date;
  readonly times: RotationTimes;
}): readonly string[] {
  const { state, now } = facts;
  return [
    ...behindAlert(state, facts.newerSequence),
    ...rotationAlerts(facts),
    ...issuingAlert(state, now),
    ...rootAlert(state, now),
  ];
}

function behindAlert({ sequence }: AuthorityState, newerSequence: bigint | undefined): readonly string[] {
  if (newerSequence === undefined || newerSequence <= sequence) return [];
  return [
    `CA_STATE_BEHIND: trust bundle ${newerSequence} was in use and this record knows ${sequence}: it was restored from a backup that is older than a change of the roots. Restore a newer one (docs/operations.md).`,
  ];
}

function rotationAlerts({ state, followers, now, times }: Parameters<typeof authorityAlerts>[0]): readonly string[] {
  if (followers.outcome === "unknown") {
    return [`runtime-manager does not say which agents have followed: a rotation cannot go on. ${followers.reason}`];
  }
  const dueAt = nextPhaseAt(state, times);
  const waiting = waitedFor(state, followers.followers).length;
  if (!dueAt || now < dueAt || waiting === 0) return [];
  return [`The rotation waits for ${waiting} that are live and have not followed since ${dueAt.toISOString()}.`];
}

function issuingAlert(state: AuthorityState, now: Date): readonly string[] {
  const active = issuingUnder(state.keys, issuingRootOf(state, "service"), "active");
  if (active && isValidFrom(active, now) && now < activateAt(active)) return [];
  const end = active ? ` The active one ends at ${active.notAfter.toISOString()}.` : "";
  return [`The issuing CA's successor is late.${end} See the log of cert-authority.`];
}

function rootAlert(state: AuthorityState, now: Date): readonly string[] {
  const root = requireKey(state.keys, ({ id }) => id === issuingRootOf(state, "service"));
  const isReplaced = state.rotation.phase !== "standby" && state.rotation.phase !== "rollback";
  if (isReplaced || root.notAfter.getTime() - now.getTime() > rootWarningMs || bundleRoots(state).length === 0)
    return [];
  return [`The root ends at ${root.notAfter.toISOString()}: replace it with drawbridge ca rotate.`];
}
