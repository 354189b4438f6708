import { enforcedSet, type Gate, type GateFacts, type GateState } from "./gate.ts";

/*
 * The state machine of anchors/gateway.md 5.3 as one question that is asked whenever a fact changes: given how the gate
 * stood, how does it stand now? Facts are states, not events, so an event that was missed or came twice changes nothing.
 *
 * Invariants (each a property test):
 *   - At strict and flexible nothing passes while the gate is engaged; "open" is for level disabled alone (I1, I2).
 *   - What is enforced is one set that every worker compiled (I3), from this gate's own facts (I4).
 *   - Losing the connection never closes an open gate (I5). Strict never opens on the cache (I6).
 *   - Flexible without a connection opens on a usable cache (I7).
 */

/** How the gate stands under these facts. */
export function nextGate(previous: Gate, facts: GateFacts): Gate {
  if (facts.level === "disabled") return { ...previous, isEngaged: false, gate: whenDisabled(previous.gate, facts) };
  if (facts.desired.known === "absent") return engage(previous, { state: "unresolved" }, facts); // row 19
  const gate = previous.isEngaged ? whenEngaged(previous, facts) : whenOpen(previous.gate, facts);
  if (enforcedSet(gate) === undefined) return engage(previous, gate, facts);
  return { gate, isEngaged: false, engagedAtMs: previous.engagedAtMs };
}

/** When the same facts may give another answer, only because time has passed since `nowMs`; `undefined`: never. */
export function reviewAtMs(gate: Gate, facts: GateFacts): number | undefined {
  const { desired, link, nowMs, connectDeadlineMs } = facts;
  const since = [
    waitingSinceMs(gate, facts),
    link.sinceMs,
    ...(desired.known === "incomplete" ? [desired.sinceMs] : []),
  ];
  const instants = since.map((sinceMs) => sinceMs + connectDeadlineMs).filter((atMs) => atMs > nowMs);
  return instants.length === 0 ? undefined : Math.min(...instants);
}

function engage(previous: Gate, gate: GateState, { nowMs }: GateFacts): Gate {
  return { gate, isEngaged: true, engagedAtMs: previous.isEngaged ? previous.engagedAtMs : nowMs };
}

/** Rows 4-9, 12, 15, 16, 18. */
function whenEngaged(previous: Gate, facts: GateFacts): GateState {
  const { desired, level } = facts;
  const isPatient = isWaitingAllowed(previous, facts);
  if (desired.known === "set") {
    const { setId, outcome } = desired;
    if (outcome === "unusable") return { state: "policy_error", setId }; // row 7; also without a connection (15)
    if (outcome === "pending") return { state: "applying", setId, from: "platform" }; // row 4
    if (facts.isConfirmed) return { state: "live", setId }; // row 5; row 9 for what was held
    if (isPatient) return { state: "applying", setId, from: "platform" };
    return level === "strict" ? { state: "offline" } : { state: "cached", setId }; // row 6
  }
  if (previous.gate.state === "policy_error") return previous.gate; // rows 12, 15: only another set mends it
  if (isPatient) return { state: "fetching" };
  return level === "strict" ? { state: "offline" } : fromCache(facts); // row 8
}

/** Rows 8 and 16 at level flexible. */
function fromCache({ cached }: GateFacts): GateState {
  if (cached.found !== "set") return { state: "offline" };
  const { setId, outcome } = cached;
  if (outcome === "unusable") return { state: "policy_error", setId };
  return outcome === "applied" ? { state: "cached", setId } : { state: "applying", setId, from: "cache" };
}

/** Rows 10, 11, 13, 14, 17, 21: the gate is open. */
function whenOpen(gate: GateState, facts: GateFacts): GateState {
  const { desired } = facts;
  const active = enforcedSet(gate);
  if (active === undefined) return { state: "fetching" }; // cannot be: an open gate enforces a set
  if (desired.known === "set" && desired.outcome === "unusable") {
    return isClosedByEdit(facts)
      ? { state: "policy_error", setId: desired.setId }
      : { state: "degraded", setId: active, badSetId: desired.setId };
  }
  if (desired.known === "set" && desired.outcome === "applied") return serving(gate, desired.setId, facts);
  return serving(gate, active, facts);
}

function isClosedByEdit({ blockOnEdit, level }: GateFacts): boolean {
  return blockOnEdit === "always" || (blockOnEdit === "by_level" && level === "strict");
}

/** The name of an open gate's state, whose set is `setId` from now on. */
function serving(gate: GateState, setId: string, facts: GateFacts): GateState {
  const { desired, link } = facts;
  const isDesired = desired.known === "set" && desired.setId === setId;
  if (isDesired && facts.isConfirmed) return { state: "live", setId };
  if (gate.state === "degraded" && !isDesired) return gate; // what should be is still on its way
  if (gate.state === "live" && link.state === "up" && isOnItsWay(facts)) return { state: "live", setId };
  return gate.state === "cached" ? { state: "cached", setId } : { state: "stale", setId };
}

/** A change leaves an open gate live for as long as a fetch may take. */
function isOnItsWay({ desired, link, isConfirmed, nowMs, connectDeadlineMs }: GateFacts): boolean {
  const sinceMs = desired.known === "incomplete" ? desired.sinceMs : isConfirmed ? nowMs : link.sinceMs;
  return nowMs - sinceMs < connectDeadlineMs;
}

/** Column "disabled" of every row: nothing is ever blocked. */
function whenDisabled(gate: GateState, facts: GateFacts): GateState {
  const { desired, cached } = facts;
  if (desired.known === "absent") return { state: "open" }; // row 19
  const active = enforcedSet(gate) ?? usableFromCache(facts);
  if (desired.known === "set" && desired.outcome === "applied") {
    const from: GateState = enforcedSet(gate) === undefined ? { state: "cached", setId: desired.setId } : gate;
    return serving(from, desired.setId, facts);
  }
  if (active === undefined) return { state: "open" };
  if (desired.known === "set" && desired.outcome === "unusable") {
    return { state: "degraded", setId: active, badSetId: desired.setId }; // rows 7, 14
  }
  if (enforcedSet(gate) !== undefined) return serving(gate, active, facts);
  if (cached.found === "set" && cached.outcome === "unusable") {
    return { state: "degraded", setId: active, badSetId: cached.setId }; // row 16, with a set from before
  }
  return serving({ state: "cached", setId: active }, active, facts);
}

/** What a disabled gate may enforce from the disk: the last set, or, if that is known to be broken, the one before. */
function usableFromCache({ cached }: GateFacts): string | undefined {
  if (cached.found !== "set") return undefined;
  if (cached.outcome === "applied") return cached.setId;
  return cached.outcome === "unusable" && cached.before?.outcome === "applied" ? cached.before.setId : undefined;
}

function isWaitingAllowed(gate: Gate, facts: GateFacts): boolean {
  return facts.link.state !== "down" && facts.nowMs - waitingSinceMs(gate, facts) < facts.connectDeadlineMs;
}

/** A connection that came after the gate has all its time from there on (row 9). */
function waitingSinceMs({ engagedAtMs }: Gate, { link }: GateFacts): number {
  return link.state === "up" ? Math.max(engagedAtMs, link.sinceMs) : engagedAtMs;
}
