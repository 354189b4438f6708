import { RotationPhase } from "@drawbridge/contracts/certs/v1/authority_service";
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import { aFollower, aStatus } from "./support/stand-in-cert-authority.ts";
import { startApi, type TestApi } from "./support/start-api.ts";

let world: TestApi;
beforeAll(async () => {
  world = await startApi();
});
afterAll(() => world[Symbol.asyncDispose]());
beforeEach(() => {
  world.certAuthority.steps.length = 0;
});

const call = (method: string, path: string, options: object = {}) =>
  world.api.call(method, path, { token: world.adminToken, ...options });

test("the authority is shown with its keys, its phase and what each follower lacks (R8)", async () => {
  const since = new Date("2026-11-20T10:00:00Z");
  world.certAuthority.status = aStatus({
    phase: RotationPhase.ROTATION_PHASE_UPDATE_CLIENTS,
    phaseSince: since,
    nextPhaseAt: since,
    followers: [
      aFollower({ name: "edge-1", trustBundleSequence: 1n, certificateCurrent: false }),
      aFollower({ name: "edge-2", kind: "collector" }),
      aFollower({ name: "activation/activation-0", kind: "service", fabricId: "", lastSeenAt: undefined }),
    ],
    waitingFor: 1,
    alerts: ["the issuing CA ends in 3 days"],
  });
  expect((await call("GET", "/v1/ca")).json).toMatchObject({
    phase: "update_clients",
    phaseSince: since.toISOString(),
    nextPhaseAt: since.toISOString(),
    trustBundleSequence: 2,
    roots: 1,
    keys: [
      { id: "i", kind: "issuing", state: "active", liveCertificates: 7 },
      { id: "r", kind: "root", state: "active" },
    ],
    followers: [
      { name: "edge-1", kind: "agent", missing: ["trust-bundle", "certificate"], live: true },
      { name: "edge-2", kind: "collector", missing: [] },
      { name: "activation/activation-0", kind: "service", lastSeenAt: null },
    ],
    waitingFor: 1,
    alerts: ["the issuing CA ends in 3 days"],
  });
});

test("a rotation is started, advanced and rolled back in the name of who asks, each recorded (R8)", async () => {
  world.certAuthority.status = aStatus();
  const started = await call("POST", "/v1/ca/rotation", { body: { reason: "yearly" } });
  expect(started.json.phase).toBe("init");
  expect(world.certAuthority.steps).toMatchObject([{ requestedBy: "admin", reason: "yearly" }]);
  expect((await call("POST", "/v1/ca/rotation", { body: {} })).json.code).toBe("ROTATION_IN_PROGRESS");

  world.certAuthority.status = {
    ...world.certAuthority.status,
    followers: [aFollower({ name: "edge-1", certificateCurrent: false })],
  };
  const advance = (body: object) => call("POST", "/v1/ca/rotation/advance", { body });
  expect((await advance({ fromPhase: "update_servers" })).json.code).toBe("ROTATION_PHASE_CHANGED");
  expect((await advance({ fromPhase: "init" })).json.code).toBe("ROTATION_NOT_ACKNOWLEDGED");
  expect((await advance({ fromPhase: "init", force: true })).json).toMatchObject({
    authority: { phase: "update_clients" },
    stranded: [{ name: "edge-1" }],
  });
  const rolledBack = await call("POST", "/v1/ca/rotation/rollback", { body: { reason: "too early" } });
  expect(rolledBack.json.phase).toBe("rollback");

  const { json } = await call("GET", "/v1/audit?limit=6");
  expect(json.items.map(({ action, result }: { action: string; result: string }) => `${action} ${result}`)).toEqual([
    "ca.rollback success",
    "ca.advance success",
    "ca.advance failed",
    "ca.advance failed",
    "ca.rotate failed",
    "ca.rotate success",
  ]);
  expect(json.items[1].details).toMatchObject({ fromPhase: "init", force: "true", stranded: "edge-1" });
});

test("nothing goes on from a phase in which nothing is rotated", async () => {
  world.certAuthority.status = aStatus();
  expect((await call("POST", "/v1/ca/rotation/rollback", { body: {} })).json.code).toBe("ROTATION_NOT_STARTED");
  const standby = await call("POST", "/v1/ca/rotation/advance", { body: { fromPhase: "standby" } });
  expect(standby.json).toMatchObject({ code: "REQUEST_INVALID", errors: [{ field: "fromPhase" }] });
});

test("without cert-authority the answer says so", async () => {
  await world.stopPeer("cert-authority");
  try {
    const { json } = await call("GET", "/v1/ca");
    expect(json).toMatchObject({ code: "PEER_UNAVAILABLE", details: { service: "cert-authority" } });
  } finally {
    await world.startPeer("cert-authority");
  }
});

test("every answer tells which trust bundle is current, errors too (R8)", async () => {
  const sequence = String(world.ca.trustBundle.sequence);
  for (const path of ["/v1/ca", "/v1/trust-bundle", "/v1/nowhere"]) {
    const { headers } = await call("GET", path);
    expect(headers["drawbridge-trust-bundle-sequence"]).toBe(sequence);
  }
});
