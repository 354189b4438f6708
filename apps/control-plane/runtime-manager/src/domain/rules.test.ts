import { expect, test } from "vitest";
import { agentId, appId } from "./ids.ts";
import { assertName } from "./names.ts";
import { negotiateProtocol } from "./protocol.ts";
import { pruneToken } from "./prune-guard.ts";
import { reconnectWindowMs } from "./reconnect-window.ts";
import { decideSuccession } from "./succession.ts";

test.each([
  [0, 2_000],
  [300, 2_000],
  [3_000, 20_000],
  [100_000, 120_000],
])("%i agents spread their return over %i ms (R13)", (agents, windowMs) => {
  expect(reconnectWindowMs(agents)).toBe(windowMs);
});

test.each([
  { min: 1, max: 1, chosen: 1 },
  { min: 1, max: 9, chosen: 1 },
])("protocols $min to $max meet at $chosen", ({ min, max, chosen }) => {
  expect(negotiateProtocol({ min, max })).toBe(chosen);
});

test.each([
  { min: 2, max: 3 },
  { min: 0, max: 0 },
  { min: 1, max: 0 },
])("protocols $min to $max are refused", ({ min, max }) => {
  expect(() => negotiateProtocol({ min, max })).toThrow(
    expect.objectContaining({ code: "VERSION_INCOMPATIBLE" }) as Error,
  );
});

const [older, newer] = [
  agentId("00000000-0000-7000-8000-000000000001"),
  agentId("00000000-0000-7000-8000-000000000002"),
];
const [early, late] = [new Date("2026-11-21T12:00:00Z"), new Date("2026-11-21T12:00:01Z")];

test.each([
  ["the first agent", undefined, { agentId: older, issuedAt: early }, "first"],
  ["the agent itself", { agentId: older, issuedAt: early }, { agentId: older, issuedAt: late }, "incumbent"],
  [
    "an agent with a newer certificate",
    { agentId: older, issuedAt: early },
    { agentId: newer, issuedAt: late },
    "successor",
  ],
  [
    "an agent with an older certificate",
    { agentId: newer, issuedAt: late },
    { agentId: older, issuedAt: early },
    "superseded",
  ],
  [
    "of the same second, the later agent",
    { agentId: older, issuedAt: early },
    { agentId: newer, issuedAt: early },
    "successor",
  ],
  [
    "of the same second, the earlier agent",
    { agentId: newer, issuedAt: early },
    { agentId: older, issuedAt: early },
    "superseded",
  ],
])("%s is decided on", (_who, incumbent, challenger, decision) => {
  expect(decideSuccession(incumbent, challenger)).toBe(decision);
});

const deleted = (ids: readonly string[]) => ids.map((id) => ({ appId: appId(id), requestId: `request-${id}` }));
const record = { incarnationId: "i", fabricId: "f" };

test.each([
  [3, ["a"], false],
  [1, ["a"], false], // two apps: too few for the guard to act
  [2, ["a", "b"], false], // exactly half
  [1, ["a", "b"], true],
  [0, ["a", "b", "c"], true],
])("with %i apps left and tombstones %j a prune token is given: %s", (liveApps, ids, given) => {
  expect(pruneToken({ ...record, liveApps, deleted: deleted(ids) }) !== "").toBe(given);
});

test("a tombstone that no operator asked for gets no prune token", () => {
  const all = [...deleted(["a", "b"]), { appId: appId("c"), requestId: "" }];
  expect(pruneToken({ ...record, liveApps: 0, deleted: all })).toBe("");
});

test("a prune token is bound to its tombstones, whatever their order", () => {
  const token = (ids: readonly string[]) => pruneToken({ ...record, liveApps: 0, deleted: deleted(ids) });
  expect(token(["a", "b", "c"])).toBe(token(["c", "a", "b"]));
  expect(token(["a", "b", "c"])).not.toBe(token(["a", "b", "d"]));
});

test.each(["a", "a-1", "x".repeat(63)])("%s is a name", (name) => {
  expect(() => assertName(name, "APP_NAME_INVALID")).not.toThrow();
});

test.each(["", "-a", "a-", "A", "a_b", "a.b", "x".repeat(64), "a\n"])("%j is no name", (name) => {
  expect(() => assertName(name, "APP_NAME_INVALID")).toThrow(
    expect.objectContaining({ code: "APP_NAME_INVALID" }) as Error,
  );
});
