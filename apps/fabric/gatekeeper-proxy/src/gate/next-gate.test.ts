import { describe, expect, test } from "vitest";
import { engagedGate, verdictOf, type Cached, type Desired, type Gate, type GateFacts } from "./gate.ts";
import { nextGate, reviewAtMs } from "./next-gate.ts";

/*
 * The rows of anchors/gateway.md 5.3. A case is a story: facts that change one after the other, and where the gate stands
 * at the end at each level. "-" where the row says nothing about a level.
 */
type Level = GateFacts["level"];
type Step = Partial<GateFacts>;

const deadlineMs = 10_000;
const nothingKnown: Desired = { known: "incomplete", missing: "root", sinceMs: 0 };
const set = (setId: string, outcome: "pending" | "applied" | "unusable" = "applied"): Desired => ({
  known: "set",
  setId,
  outcome,
});
const onDisk = (setId: string, outcome: "pending" | "applied" | "unusable" = "applied"): Cached => ({
  found: "set",
  setId,
  outcome,
  before: undefined,
});
const up: Step = { link: { state: "up", sinceMs: 0 }, isConfirmed: true };
const down: Step = { link: { state: "down", sinceMs: 0 }, isConfirmed: false };
const opened: readonly Step[] = [{ ...up, desired: set("a") }];

function play(level: Level, steps: readonly Step[]): Gate {
  let facts: GateFacts = {
    level,
    link: { state: "connecting", sinceMs: 0 },
    isConfirmed: false,
    desired: nothingKnown,
    cached: { found: "none" },
    nowMs: 0,
    connectDeadlineMs: deadlineMs,
    blockOnEdit: "by_level",
  };
  let gate = nextGate(engagedGate(0), facts);
  for (const step of steps) {
    facts = Object.assign({}, facts, step);
    gate = nextGate(gate, facts);
  }
  return gate;
}

/** "live a", "offline", "degraded a b". */
function shown({ gate }: Gate): string {
  const parts = [gate.state, "setId" in gate ? gate.setId : "", "badSetId" in gate ? gate.badSetId : ""];
  return parts.filter((part) => part !== "").join(" ");
}

const rows: readonly (readonly [
  row: string,
  steps: readonly Step[],
  strict: string,
  flexible: string,
  disabled: string,
])[] = [
  ["1 start, nothing on the disk", [], "fetching", "fetching", "open"],
  ["1 start, a usable set on the disk", [{ cached: onDisk("c") }], "fetching", "fetching", "cached c"],
  [
    "1 start, a set on the disk is being compiled",
    [{ cached: onDisk("c", "pending") }],
    "fetching",
    "fetching",
    "open",
  ],
  ["1 start, a corrupt cache", [{ cached: { found: "corrupt" } }], "fetching", "fetching", "open"],
  ["4 the set is complete", [{ ...up, desired: set("a", "pending") }], "applying a", "applying a", "open"],
  [
    "4 complete after the gate was offline",
    [down, { ...up, desired: set("a", "pending") }],
    "applying a",
    "applying a",
    "open",
  ],
  ["5 applied, connected", [{ ...up, desired: set("a") }], "live a", "live a", "live a"],
  [
    "5 applied, connected, but not yet confirmed in this session",
    [{ ...up, isConfirmed: false, desired: set("a") }],
    "applying a",
    "applying a",
    "cached a",
  ],
  [
    "6 applied, connection lost",
    [
      { ...up, desired: set("a", "pending") },
      { ...down, desired: set("a") },
    ],
    "offline",
    "cached a",
    "cached a",
  ],
  ["7 cannot be applied", [{ ...up, desired: set("a", "unusable") }], "policy_error a", "policy_error a", "open"],
  [
    "7 cannot be applied, with a set in force",
    [...opened, { desired: set("b", "unusable") }],
    "policy_error b",
    "degraded a b",
    "degraded a b",
  ],
  ["8 no connection, nothing on the disk", [down], "offline", "offline", "open"],
  ["8 no connection, a corrupt cache", [{ ...down, cached: { found: "corrupt" } }], "offline", "offline", "open"],
  [
    "8 no connection, a cache beyond its age",
    [{ ...down, cached: { found: "too_old" } }],
    "offline",
    "offline",
    "open",
  ],
  ["8 no connection, a set on the disk", [{ ...down, cached: onDisk("c") }], "offline", "cached c", "cached c"],
  [
    "8 no connection, a set on the disk is being compiled",
    [{ ...down, cached: onDisk("c", "pending") }],
    "offline",
    "applying c",
    "open",
  ],
  [
    "8 the deadline has not passed",
    [{ nowMs: deadlineMs - 1, cached: onDisk("c") }],
    "fetching",
    "fetching",
    "cached c",
  ],
  [
    "8 the deadline has passed, still connecting",
    [{ nowMs: deadlineMs, cached: onDisk("c") }],
    "offline",
    "cached c",
    "cached c",
  ],
  [
    "8 connected, but fetching keeps failing until the deadline",
    [{ ...up, cached: onDisk("c") }, { nowMs: deadlineMs }],
    "offline",
    "cached c",
    "cached c",
  ],
  ["9 connected again", [down, { link: { state: "up", sinceMs: 500 }, nowMs: 500 }], "fetching", "fetching", "open"],
  [
    "9 connected again long after the start: it has all its time from there",
    [
      { ...down, nowMs: 90_000 },
      { link: { state: "up", sinceMs: 90_000 }, nowMs: 99_999 },
    ],
    "fetching",
    "fetching",
    "open",
  ],
  [
    "9 connected again, the set that was held is confirmed",
    [{ ...up, desired: set("a", "pending") }, { ...down, desired: set("a") }, up],
    "live a",
    "live a",
    "live a",
  ],
  [
    "9 connected again, the set that was held is not the one wanted now",
    [
      { ...up, desired: set("a", "pending") },
      { ...down, desired: set("a") },
      { ...up, desired: set("b", "pending") },
    ],
    "applying b",
    "cached a",
    "cached a",
  ],
  [
    "10 open without a connection, connected: the same set",
    [
      { ...down, cached: onDisk("c") },
      { ...up, desired: set("c") },
    ],
    "live c",
    "live c",
    "live c",
  ],
  [
    "10 open without a connection, connected: another set",
    [
      { ...down, cached: onDisk("c") },
      { ...up, desired: set("d") },
    ],
    "live d",
    "live d",
    "live d",
  ],
  ["10 stale, connected: the same set", [...opened, down, up], "live a", "live a", "live a"],
  ["11 connection lost after it was live", [...opened, down], "stale a", "stale a", "stale a"],
  [
    "12 the broken policy was mended",
    [{ ...up, desired: set("a", "unusable") }, { desired: set("b") }],
    "live b",
    "live b",
    "live b",
  ],
  [
    "12 another set is on its way: it stays broken until that is complete",
    [{ ...up, desired: set("a", "unusable") }, { desired: { known: "incomplete", missing: "objects", sinceMs: 0 } }],
    "policy_error a",
    "policy_error a",
    "open",
  ],
  [
    "13 a usable edit",
    [...opened, { desired: set("b", "pending") }, { desired: set("b") }],
    "live b",
    "live b",
    "live b",
  ],
  [
    "13 until an edit is compiled the earlier set is enforced",
    [...opened, { desired: set("b", "pending") }],
    "live a",
    "live a",
    "live a",
  ],
  [
    "13 an edit that does not come within the deadline",
    [...opened, { desired: { known: "incomplete", missing: "objects", sinceMs: 0 }, nowMs: deadlineMs }],
    "stale a",
    "stale a",
    "stale a",
  ],
  [
    "14 an edit that is not usable",
    [...opened, { desired: set("b", "unusable") }],
    "policy_error b",
    "degraded a b",
    "degraded a b",
  ],
  [
    "14 blockOnEdit always",
    [{ ...opened[0], blockOnEdit: "always" }, { desired: set("b", "unusable") }],
    "policy_error b",
    "policy_error b",
    "degraded a b",
  ],
  [
    "14 blockOnEdit never",
    [{ ...opened[0], blockOnEdit: "never" }, { desired: set("b", "unusable") }],
    "degraded a b",
    "degraded a b",
    "degraded a b",
  ],
  [
    "14 then mended",
    [...opened, { desired: set("b", "unusable") }, { desired: set("e") }],
    "live e",
    "live e",
    "live e",
  ],
  [
    "14 a broken edit stays shown while the next one is on its way",
    [...opened, { desired: set("b", "unusable") }, { desired: set("e", "pending") }],
    "applying e",
    "degraded a b",
    "degraded a b",
  ],
  [
    "15 connection lost while it is broken: no earlier set",
    [{ ...up, cached: onDisk("c"), desired: set("a", "unusable") }, down],
    "policy_error a",
    "policy_error a",
    "degraded c a",
  ],
  [
    "16 restart without a connection, the set on the disk is the broken one",
    [{ ...down, cached: onDisk("c", "unusable") }],
    "offline",
    "policy_error c",
    "open",
  ],
  [
    "16 the same, and the set before it is on the disk as well",
    [
      {
        ...down,
        cached: { found: "set", setId: "c", outcome: "unusable", before: { setId: "o", outcome: "applied" } },
      },
    ],
    "offline",
    "policy_error c",
    "degraded o c",
  ],
  [
    "17 contracts change: another set, no gate",
    [...opened, { desired: set("a, contracts 2") }],
    "live a, contracts 2",
    "live a, contracts 2",
    "live a, contracts 2",
  ],
  [
    "18 contracts are missing",
    [{ ...up, desired: { known: "incomplete", missing: "contracts", sinceMs: 0 } }],
    "fetching",
    "fetching",
    "open",
  ],
  [
    "18 contracts are missing and the connection is lost: those of the cache",
    [{ ...up, cached: onDisk("c"), desired: { known: "incomplete", missing: "contracts", sinceMs: 0 } }, down],
    "offline",
    "cached c",
    "cached c",
  ],
  [
    "19 the API is unknown to the platform",
    [{ ...up, desired: { known: "absent" } }],
    "unresolved",
    "unresolved",
    "open",
  ],
  [
    "19 the API is deleted while it is served",
    [...opened, { desired: { known: "absent" } }],
    "unresolved",
    "unresolved",
    "open",
  ],
  [
    "19 deleted, then no connection",
    [...opened, { desired: { known: "absent" }, cached: onDisk("c") }, down],
    "unresolved",
    "unresolved",
    "open",
  ],
  [
    "19 created after all",
    [{ ...up, desired: { known: "absent" } }, { desired: set("a") }],
    "live a",
    "live a",
    "live a",
  ],
  ["21 the agent dies: as if the connection were lost", [...opened, down], "stale a", "stale a", "stale a"],
];

const cases = rows.flatMap(([row, steps, strict, flexible, disabled]) => [
  { row, steps, level: "strict" as const, expected: strict },
  { row, steps, level: "flexible" as const, expected: flexible },
  { row, steps, level: "disabled" as const, expected: disabled },
]);

describe("the gate of a tracked resource (GK 1, GK 3, GK 4, GK 5)", () => {
  test.for(cases)("row $row, $level: $expected", ({ steps, level, expected }) => {
    expect(shown(play(level, steps))).toBe(expected);
  });
});

test("a redeployment begins with an engaged gate, whatever the gate of the deployment before says (row 2)", () => {
  const gate = engagedGate(77);
  expect(gate).toEqual({ gate: { state: "fetching" }, isEngaged: true, engagedAtMs: 77 });
  expect(verdictOf(gate)).toEqual({ verdict: "closed", reason: "initializing" });
});

test("what a client is told names the kind of obstacle and no more (GK 1)", () => {
  const told = (gate: Gate["gate"]) => verdictOf({ gate });
  expect(told({ state: "applying", setId: "a", from: "cache" })).toEqual({ verdict: "closed", reason: "initializing" });
  expect(told({ state: "policy_error", setId: "a" })).toEqual({ verdict: "closed", reason: "policy_error" });
  expect(told({ state: "offline" })).toEqual({ verdict: "closed", reason: "offline" });
  expect(told({ state: "unresolved" })).toEqual({ verdict: "closed", reason: "unresolved" });
  expect(told({ state: "degraded", setId: "a", badSetId: "b" })).toEqual({ verdict: "open", setId: "a" });
  expect(told({ state: "open" })).toEqual({ verdict: "passthrough" });
});

test("a gate that waits is looked at again when its time is over", () => {
  const facts: GateFacts = {
    level: "flexible",
    link: { state: "up", sinceMs: 300 },
    isConfirmed: true,
    desired: { known: "incomplete", missing: "entry", sinceMs: 900 },
    cached: { found: "none" },
    nowMs: 1_000,
    connectDeadlineMs: deadlineMs,
    blockOnEdit: "by_level",
  };
  expect(reviewAtMs(engagedGate(0), facts)).toBe(10_300);
  expect(reviewAtMs(engagedGate(0), { ...facts, nowMs: 10_300 })).toBe(10_900);
  expect(reviewAtMs(engagedGate(0), { ...facts, nowMs: 10_900 })).toBeUndefined();
});
