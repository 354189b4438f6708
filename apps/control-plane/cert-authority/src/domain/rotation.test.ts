import { expect, test } from "vitest";
import type { AuthorityState, CaKey, Rotation } from "./ca-key.ts";
import { activateAt, planIssuing, prepareAt } from "./issuing-roll-over.ts";
import { planAdvance, retirableRoots, retiresAt, waitedFor, type Follower, type Followers } from "./rotation.ts";

const start = new Date("2026-11-22T00:00:00Z");
const after = (seconds: number): Date => new Date(start.getTime() + seconds * 1000);

function aKey(parts: Partial<CaKey> & Pick<CaKey, "id">): CaKey {
  return {
    kind: "issuing",
    state: "active",
    issuerId: "old",
    serialNumber: "",
    spkiPin: parts.id,
    certificateDer: new Uint8Array(),
    notBefore: start,
    notAfter: after(60),
    oldAt: undefined,
    retiredAt: undefined,
    ...parts,
  };
}

const aRoot = (id: string, parts: Partial<CaKey> = {}) =>
  aKey({ id, kind: "root", issuerId: id, notAfter: after(100_000), ...parts });

function aState(rotation: Rotation, keys: readonly CaKey[]): AuthorityState {
  return { trustDomain: "drawbridge.local", sequence: 2n, version: 1n, rotation, keys };
}

const at = (now: Date) => ({ now, past: now });

const standby: Rotation = { phase: "standby", since: undefined };
const inPhase = (phase: "init" | "update_clients" | "update_servers" | "rollback"): Rotation => ({
  phase,
  since: start,
  oldRootId: "old",
  newRootId: "new",
});

function aFollower(parts: Partial<Follower> = {}): Follower {
  return {
    kind: "agent",
    name: "berlin",
    fabricId: "f",
    trustBundleSequence: 2n,
    rootId: "old",
    lastSeenAt: start,
    isLive: true,
    ...parts,
  };
}

test("an issuing CA's successor is made at half of its life and issues from five sixths on (R8)", () => {
  const first = aKey({ id: "a" });
  expect([prepareAt(first), activateAt(first)]).toEqual([after(30), after(50)]);
  const alone = aState(standby, [aRoot("old"), first]);
  expect(planIssuing(alone, at(after(29)))).toBeUndefined();
  expect(planIssuing(alone, at(after(30)))).toEqual({ step: "make_issuing", rootId: "old", replaces: undefined });
  const successor = aKey({ id: "b", state: "prepared", notBefore: after(30), notAfter: after(90) });
  const both = aState(standby, [aRoot("old"), first, successor]);
  expect(planIssuing(both, at(after(49)))).toBeUndefined();
  expect(planIssuing(both, at(after(50)))).toEqual({ step: "activate_issuing", id: "b", replaces: "a" });
});

test("an issuing CA that a wrong clock made, valid from later on only, counts as missing (R8, R21)", () => {
  const early = aKey({ id: "a", notBefore: after(-20), notAfter: after(40), state: "old" });
  const future = aKey({ id: "b", notBefore: after(1_000), notAfter: after(1_060) });
  const futureToo = aKey({ id: "c", notBefore: after(1_000), notAfter: after(1_060), state: "prepared" });
  const root = aRoot("old");
  expect(planIssuing(aState(standby, [root, early, future]), at(start))).toEqual({
    step: "make_issuing",
    rootId: "old",
    replaces: undefined,
  });
  expect(planIssuing(aState(standby, [root, early, future, futureToo]), at(start))).toEqual({
    step: "make_issuing",
    rootId: "old",
    replaces: "c",
  });
  const made = aKey({ id: "d", state: "prepared" });
  expect(planIssuing(aState(standby, [root, early, future, made]), at(start))).toEqual({
    step: "activate_issuing",
    id: "d",
    replaces: "b",
  });
  const current = { ...made, state: "active" } as const;
  expect(planIssuing(aState(standby, [root, early, { ...future, state: "old" }, current]), at(start))).toBeUndefined();
});

test("an issuing CA is retired when its certificate has run out; near the end of the root none is made", () => {
  const old = aKey({ id: "a", state: "old", notAfter: after(40) });
  const active = aKey({ id: "b", notBefore: after(20), notAfter: after(80) });
  expect(planIssuing(aState(standby, [aRoot("old"), old, active]), at(after(39)))).toBeUndefined();
  expect(planIssuing(aState(standby, [aRoot("old"), old, active]), at(after(40)))).toEqual({
    step: "retire_issuing",
    id: "a",
  });
  const lastRoot = aRoot("old", { notAfter: after(80) });
  expect(planIssuing(aState(standby, [lastRoot, active]), at(after(70)))).toBeUndefined();
});

test.each([
  ["init", { trustBundleSequence: 1n }, true],
  ["init", {}, false],
  ["init", { trustBundleSequence: 1n, isLive: false }, false],
  ["update_clients", {}, true],
  ["update_clients", { kind: "collector" }, true],
  ["update_clients", { rootId: undefined }, true],
  ["update_clients", { rootId: "new" }, false],
  ["update_clients", { rootId: "new", trustBundleSequence: 1n }, true],
  ["update_clients", { kind: "service" }, false],
  ["update_servers", { kind: "service" }, true],
  ["update_servers", { kind: "service", rootId: "new" }, false],
  ["rollback", { trustBundleSequence: 1n }, false],
] as const)("%s waits for a follower with %o: %s (R8)", (phase, parts, waits) => {
  const follower = aFollower(parts);
  const state = aState(inPhase(phase), [aRoot("old"), aRoot("new")]);
  expect(waitedFor(state, [follower])).toEqual(waits ? [follower] : []);
  const followers: Followers = { outcome: "known", followers: [follower] };
  const times = { graceSeconds: 10, retirementDelaySeconds: 0 };
  const goesOn = planAdvance(state, followers, { now: after(10), times }) !== undefined;
  expect(goesOn).toBe(!waits && phase !== "rollback");
  expect(planAdvance(state, followers, { now: after(9.9), times })).toBeUndefined(); // the grace
  const unknown: Followers = { outcome: "unknown", services: [], reason: "" };
  expect(planAdvance(state, unknown, { now: after(10), times })).toBeUndefined();
});

test("an old root leaves a day after its last leaf ended, and none that a rotation may need (R8)", () => {
  const times = { retirementDelaySeconds: 86_400 };
  expect(retiresAt({ oldAt: start }, undefined, times)).toEqual(after(86_400));
  expect(retiresAt({ oldAt: start }, after(600), times)).toEqual(after(87_000));
  const roots = [aRoot("old", { state: "old" }), aRoot("new"), aRoot("before", { state: "old" })];
  const idsIn = (rotation: Rotation) => retirableRoots(aState(rotation, roots)).map(({ id }) => id);
  expect(idsIn(standby)).toEqual(["old", "before"]);
  expect(idsIn(inPhase("update_servers"))).toEqual(["before"]);
  const rolledBack = [aRoot("old"), aRoot("new", { state: "old" })];
  expect(retirableRoots(aState(inPhase("rollback"), rolledBack)).map(({ id }) => id)).toEqual(["new"]);
});
