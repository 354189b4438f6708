import fc from "fast-check";
import { expect, test } from "vitest";
import {
  engagedGate,
  enforcedSet,
  isDecided,
  verdictOf,
  type Cached,
  type Desired,
  type Gate,
  type GateFacts,
  type KnownSet,
} from "./gate.ts";
import { nextGate } from "./next-gate.ts";

/*
 * I1 to I9 of anchors/gateway.md 5.3 over stories of arbitrary facts. I4 (no gate touches another) and I9 (what is
 * undecided is tracked) are properties of the gate table and of the routes; they are tested there.
 */
const setIds = ["a", "b", "c", "d"] as const;
const deadlineMs = 10_000;

const someSetId = fc.constantFrom(...setIds);
/** Which set is meant; what became of it the story knows. */
const someDesired = fc.oneof(
  { weight: 4, arbitrary: someSetId },
  fc.constantFrom("absent" as const, "root" as const, "contracts" as const),
);
const someCached = fc.oneof(
  fc.constantFrom("none" as const, "corrupt" as const, "too_old" as const),
  fc.record({ setId: someSetId, before: fc.option(someSetId, { nil: undefined }) }),
);
const someLink = fc.record({
  state: fc.constantFrom("connecting" as const, "up" as const, "down" as const),
  isConfirmed: fc.boolean(),
});
const someBlockOnEdit = fc.constantFrom("by_level" as const, "always" as const, "never" as const);
const someStep = fc.record(
  {
    link: someLink,
    desired: someDesired,
    cached: someCached,
    compiled: fc.subarray([...setIds]),
    passMs: fc.nat({ max: 2 * deadlineMs }),
  },
  { requiredKeys: [] },
);
const someStory = fc.record({
  blockOnEdit: someBlockOnEdit,
  unusable: fc.subarray([...setIds]),
  steps: fc.array(someStep, { minLength: 1, maxLength: 12 }),
});
type WhichDesired = typeof someDesired extends fc.Arbitrary<infer T> ? T : never;
type WhichCached = typeof someCached extends fc.Arbitrary<infer T> ? T : never;
type Story = typeof someStory extends fc.Arbitrary<infer T> ? T : never;

interface Moment {
  readonly before: Gate;
  readonly after: Gate;
  readonly facts: GateFacts;
  /** Sets that all workers were said to have compiled, by now. */
  readonly applied: ReadonlySet<string>;
}

function tell(level: GateFacts["level"], { blockOnEdit, unusable, steps }: Story): readonly Moment[] {
  const compiled = new Set<string>();
  const known = (setId: string): KnownSet => ({
    setId,
    outcome: !compiled.has(setId) ? "pending" : unusable.some((bad) => bad === setId) ? "unusable" : "applied",
  });
  let desired: WhichDesired = "root";
  let cached: WhichCached = "none";
  let facts = factsOf(level, blockOnEdit);
  let gate = engagedGate(0);
  const moments: Moment[] = [];
  for (const step of [{}, ...steps] as Story["steps"]) {
    const before = gate;
    const nowMs = facts.nowMs + (step.passMs ?? 0);
    for (const setId of step.compiled ?? []) compiled.add(setId);
    desired = step.desired ?? desired;
    cached = step.cached ?? cached;
    facts = {
      ...factsOf(level, blockOnEdit),
      nowMs,
      link: linkAfter(facts, step.link?.state ?? facts.link.state, nowMs),
      isConfirmed: step.link === undefined ? facts.isConfirmed : step.link.state === "up" && step.link.isConfirmed,
      desired: desiredOf(desired, known),
      cached: cachedOf(cached, known),
    };
    gate = nextGate(gate, facts);
    const applied = new Set([...compiled].filter((setId) => known(setId).outcome === "applied"));
    moments.push({ before, after: gate, facts, applied });
  }
  return moments;
}

function factsOf(level: GateFacts["level"], blockOnEdit: GateFacts["blockOnEdit"]): GateFacts {
  return {
    level,
    link: { state: "connecting", sinceMs: 0 },
    isConfirmed: false,
    desired: { known: "incomplete", missing: "root", sinceMs: 0 },
    cached: { found: "none" },
    nowMs: 0,
    connectDeadlineMs: deadlineMs,
    blockOnEdit,
  };
}

function linkAfter({ link }: GateFacts, state: GateFacts["link"]["state"], nowMs: number): GateFacts["link"] {
  return state === link.state ? link : { state, sinceMs: nowMs };
}

function desiredOf(desired: WhichDesired, known: (setId: string) => KnownSet): Desired {
  if (desired === "absent") return { known: "absent" };
  if (desired === "root" || desired === "contracts") return { known: "incomplete", missing: desired, sinceMs: 0 };
  return { known: "set", ...known(desired) };
}

function cachedOf(cached: WhichCached, known: (setId: string) => KnownSet): Cached {
  if (typeof cached === "string") return { found: cached };
  return {
    found: "set",
    ...known(cached.setId),
    before: cached.before === undefined ? undefined : known(cached.before),
  };
}

function setsOf({ desired, cached }: GateFacts) {
  return [
    ...(desired.known === "set" ? [desired] : []),
    ...(cached.found === "set" ? [cached, ...(cached.before ? [cached.before] : [])] : []),
  ];
}

function check(levels: readonly GateFacts["level"][], holds: (moment: Moment) => void): void {
  fc.assert(
    fc.property(fc.constantFrom(...levels), someStory, (level, story) => tell(level, story).forEach(holds)),
    { numRuns: 3_000 },
  );
}

const isOpen = (gate: Gate) => verdictOf(gate).verdict !== "closed";

test("at strict and flexible an engaged gate lets nothing through, and an open one enforces a set (I1)", () => {
  check(["strict", "flexible"], ({ after }) => {
    expect(isOpen(after)).toBe(!after.isEngaged);
    expect(verdictOf(after).verdict).not.toBe("passthrough");
  });
});

test("requests pass without policies at level disabled only, and only without a set (I2)", () => {
  check(["strict", "flexible", "disabled"], ({ after, facts, before }) => {
    if (after.gate.state !== "open") return;
    expect(facts.level).toBe("disabled");
    if (facts.desired.known !== "absent") expect(enforcedSet(before.gate)).toBeUndefined();
  });
});

test("what is enforced is one set that every worker compiled (I3)", () => {
  check(["strict", "flexible", "disabled"], ({ after, applied }) => {
    const setId = enforcedSet(after.gate);
    if (setId !== undefined) expect(applied).toContain(setId);
  });
});

test("the loss of the connection alone closes no gate and changes nothing that it enforces (I5)", () => {
  check(["strict", "flexible", "disabled"], ({ after, facts }) => {
    const lost = nextGate(after, { ...facts, link: { state: "down", sinceMs: facts.nowMs }, isConfirmed: false });
    if (isOpen(after) && facts.desired.known !== "absent") expect(verdictOf(lost)).toEqual(verdictOf(after));
  });
});

test("strict opens on nothing but the set that the platform confirmed in this session (I6)", () => {
  check(["strict"], ({ before, after, facts }) => {
    if (isOpen(before) && !before.isEngaged) return;
    if (!isOpen(after)) return;
    expect(facts).toMatchObject({
      link: { state: "up" },
      isConfirmed: true,
      desired: { setId: enforcedSet(after.gate) },
    });
  });
});

test("flexible without a connection opens on a usable cache at once, and within the deadline if it still connects (I7)", () => {
  check(["flexible"], ({ after, facts }) => {
    const offline: GateFacts = {
      ...facts,
      desired: { known: "incomplete", missing: "root", sinceMs: 0 },
      cached: { found: "set", setId: "c", outcome: "applied", before: undefined },
      isConfirmed: false,
    };
    const isBroken = after.gate.state === "policy_error";
    const lost = nextGate(after, { ...offline, link: { state: "down", sinceMs: facts.nowMs } });
    const never = nextGate(after, {
      ...offline,
      link: { state: "connecting", sinceMs: 0 },
      nowMs: facts.nowMs + deadlineMs,
    });
    expect(isOpen(lost)).toBe(!isBroken);
    expect(isOpen(never)).toBe(!isBroken);
  });
});

test("connected again, every gate comes to live, policy_error or unresolved without a restart (I8)", () => {
  check(["strict", "flexible"], ({ after, facts }) => {
    const connected: GateFacts = { ...facts, link: { state: "up", sinceMs: facts.nowMs }, isConfirmed: true };
    const usable = nextGate(after, { ...connected, desired: { known: "set", setId: "z", outcome: "applied" } });
    const broken = nextGate(after, { ...connected, desired: { known: "set", setId: "z", outcome: "unusable" } });
    const unknown = nextGate(after, { ...connected, desired: { known: "absent" } });
    expect(usable.gate).toEqual({ state: "live", setId: "z" });
    expect(["policy_error", "degraded"]).toContain(broken.gate.state);
    expect(unknown.gate).toEqual({ state: "unresolved" });
  });
});

test("the same facts twice change nothing: an event may be missed or come again", () => {
  check(["strict", "flexible", "disabled"], ({ after, facts }) => {
    expect(nextGate(after, facts)).toEqual(after);
  });
});

test("after the deadline every gate has an answer for requests, unless workers still compile (5.5, 8)", () => {
  check(["strict", "flexible", "disabled"], ({ after, facts }) => {
    const later = nextGate(after, { ...facts, nowMs: facts.nowMs + deadlineMs });
    if (setsOf(facts).every(({ outcome }) => outcome !== "pending")) expect(isDecided(later.gate)).toBe(true);
  });
});
