import { CertificateState } from "@drawbridge/contracts/certs/v1/certificate_authority_service";
import { RecoveryMode } from "@drawbridge/contracts/activation/v1/recovery_service";
import { afterAll, beforeAll, beforeEach, describe, expect, test, vi } from "vitest";
import { aRecord } from "./support/stand-in-cert-authority.ts";
import { startApi, type TestApi } from "./support/start-api.ts";
import { aRecoveryState } from "./support/stand-in-recovery.ts";
import { aFabric } from "./support/stand-in-runtime-manager.ts";

let world: TestApi;
const at = new Date("2026-01-01T00:00:00Z");
const soon = new Date(Date.now() + 3_600_000);
const held = (tunnelSerial: string) => [
  { purpose: "tunnel", serialNumber: tunnelSerial, notAfter: soon, renewAt: soon, lastFailure: "" },
  { purpose: "monitoring", serialNumber: "0f", notAfter: at, renewAt: at, lastFailure: "RENEWAL_UNAVAILABLE" },
];
let fabric = aFabric();

beforeAll(async () => {
  world = await startApi();
});
afterAll(() => world[Symbol.asyncDispose]());

beforeEach(() => {
  fabric = aFabric({ name: `edge-${crypto.randomUUID()}`, environments: ["production"] });
  const { fabricId, agentId } = fabric;
  const spiffeId = `spiffe://drawbridge.local/org/default/fabric/${fabricId}/agent/${agentId}`;
  const record = aRecord({ fabricId, spiffeId });
  world.certAuthority.records.push(record);
  fabric = {
    ...fabric,
    certificates: held(record.serialNumber),
    trustBundleSequence: 1n,
    clockSkewMs: -360_000n,
    lockReason: "STALE_JOIN_STATE",
    lockMessage: "an old disk",
    lockedAt: at,
  };
  world.runtimeManager.fabrics.set(fabricId, fabric);
  world.recovery.states.set(agentId, aRecoveryState({ agentId, fabricId }));
  world.collectors.set(fabricId, {
    fabricId,
    certificateSerial: "0f",
    certificateNotAfter: at,
    version: "0.1.0",
    lastSeenAt: at,
    clockSkewMs: 3n,
    certificatesSeen: 4,
  });
});

const call = (method: string, path: string, options: object = {}) =>
  world.api.call(method, path, { token: world.adminToken, ...options });
const show = () => call("GET", `/v1/fabrics/${fabric.name}`).then(({ json }) => json);

describe("a fabric", () => {
  test("is shown with its certificates, collector, recovery, clock, lock and trust bundle (META)", async () => {
    expect(await show()).toMatchObject({
      certificates: [
        { purpose: "tunnel", state: "active", renewAt: soon.toISOString(), lastFailure: "" },
        { purpose: "monitoring", state: "expired", lastFailure: "RENEWAL_UNAVAILABLE" },
      ],
      trustBundle: { state: "behind", acknowledgedSequence: 1, currentSequence: 2 },
      clock: "fail",
      lock: { reason: "STALE_JOIN_STATE", message: "an old disk", since: at.toISOString() },
      collector: { certificateSerial: "0f", lastSeenAt: at.toISOString(), certificatesSeen: 4 },
      recovery: { mode: "standard", recentRecoveries: 1, lastRefusal: "RECOVERY_LIMIT_REACHED", joinSequence: 2 },
      unknown: [],
    });
  });

  test("whose agent tells nothing is shown with what was issued to it", async () => {
    world.runtimeManager.fabrics.set(fabric.fabricId, { ...fabric, certificates: [], certificateSerial: "" });
    const issued = world.certAuthority.records.at(-1);
    expect((await show()).certificates).toMatchObject([
      { purpose: "tunnel", serialNumber: issued?.serialNumber, state: "active", renewAt: null },
    ]);
  });

  test("without an agent or a collector has neither recovery nor collector, and nothing is unknown", async () => {
    world.collectors.clear();
    world.runtimeManager.fabrics.set(fabric.fabricId, {
      ...aFabric({ fabricId: fabric.fabricId, name: fabric.name, agentId: "", certificateSerial: "" }),
      lastSeenAt: undefined,
      trustBundleSequence: 0n,
    });
    world.certAuthority.records.pop();
    expect(await show()).toMatchObject({
      certificates: [],
      trustBundle: { state: "none" },
      clock: "unknown",
      lock: null,
      collector: null,
      recovery: null,
      unknown: [],
    });
  });

  test.each([
    ["cert-authority", ["certificates", "trustBundle"]],
    ["activation", ["recovery"]],
    ["monitoring-ingest", ["collector"]],
  ] as const)("without %s is shown all the same, and says that %j is unknown", async (peer, parts) => {
    await world.stopPeer(peer);
    try {
      const shown = await show();
      expect(shown.name).toBe(fabric.name);
      // On a machine that is busy the time for the answer may end before the connection is seen to be gone.
      const code = expect.stringMatching(/^(PEER_UNAVAILABLE|DEADLINE_EXCEEDED)$/) as string;
      expect(shown.unknown).toMatchObject(parts.map((part) => ({ part, service: peer, code })));
      if (peer === "cert-authority") {
        expect(shown.certificates).toMatchObject([{ state: "unknown" }, { state: "expired" }]);
        expect(shown.trustBundle.currentSequence).toBe(1); // our own
      }
    } finally {
      await world.startPeer(peer);
      await vi.waitUntil(async () => (await show()).unknown.length === 0, { timeout: 240_000 }); // connected again
    }
  });
});

describe("recovery (REN 7)", () => {
  test("is shown with the lock and its remedy", async () => {
    const { json } = await call("GET", `/v1/fabrics/${fabric.name}/recovery`);
    expect(json).toMatchObject({ fabric: fabric.name, agentId: fabric.agentId, recovery: { mode: "standard" } });
    expect(json.lock.remedy).toContain(`fabric recover ${fabric.name} --allow --accept-any-join-state`);
  });

  test("is allowed once more in the name of who asks", async () => {
    const path = `/v1/fabrics/${fabric.name}/recovery/allow`;
    const { json } = await call("POST", path, { body: { acceptAnyJoinState: true } });
    expect(json.recovery.allowedUntil).not.toBeNull();
    const expected = { agentId: fabric.agentId, requestedBy: "admin", acceptAnyJoinState: true };
    expect(world.recovery.changes.at(-1)).toEqual(expected);
    const audit = await call("GET", "/v1/audit?limit=1");
    expect(audit.json.items[0]).toMatchObject({
      action: "fabric.allow-recovery",
      target: fabric.name,
      details: { acceptAnyJoinState: "true" },
    });
  });

  test("accepts an old join state only when that is said", async () => {
    await call("POST", `/v1/fabrics/${fabric.name}/recovery/allow`, { body: {} });
    expect(world.recovery.changes.at(-1)).toMatchObject({ acceptAnyJoinState: false });
  });

  test("has a mode that is set", async () => {
    const { json } = await call("PUT", `/v1/fabrics/${fabric.name}/recovery/mode`, { body: { mode: "manual" } });
    expect(json.recovery.mode).toBe("manual");
    expect(world.recovery.changes.at(-1)).toMatchObject({ mode: RecoveryMode.RECOVERY_MODE_MANUAL });
  });

  test("of an agent without a recovery key, or of a fabric without an agent, is refused with the reason", async () => {
    world.recovery.states.delete(fabric.agentId);
    const path = `/v1/fabrics/${fabric.name}/recovery`;
    expect((await call("GET", path)).json.recovery).toBeNull();
    expect((await call("POST", `${path}/allow`, { body: {} })).json.code).toBe("AGENT_UNKNOWN");
    world.runtimeManager.fabrics.set(fabric.fabricId, { ...fabric, agentId: "" });
    expect((await call("GET", path)).json.recovery).toBeNull();
    expect((await call("POST", `${path}/allow`, { body: {} })).json.code).toBe("FABRIC_NOT_ACTIVATED");
  });

  test("by a new token revokes the old identity first, and keeps the fabric", async () => {
    const issued = world.certAuthority.records.at(-1);
    const path = `/v1/fabrics/${fabric.name}/recovery`;
    expect((await call("POST", `${path}/allow`, { body: {} })).json.recovery.allowedUntil).not.toBeNull();
    const { status, json, headers } = await call("POST", `/v1/fabrics/${fabric.name}/recovery/token`, { body: {} });
    expect(status).toBe(201);
    expect(headers["cache-control"]).toBe("no-store");
    expect(json).toMatchObject({ fabricId: fabric.fabricId, fabric: fabric.name, revoked: [issued?.serialNumber] });
    expect(json.token).toMatch(/^fat1\./);
    // What had been allowed to the old identity ends with it.
    expect((await call("GET", path)).json.recovery.allowedUntil).toBeNull();
    expect(world.certAuthority.records.find(({ fabricId }) => fabricId === fabric.fabricId)?.state).toBe(
      CertificateState.CERTIFICATE_STATE_REVOKED,
    );
    const audit = await call("GET", "/v1/audit?limit=1");
    expect(audit.json.items[0]).toMatchObject({ action: "fabric.reactivate", details: { revoked: "1" } });
    expect(JSON.stringify(audit.json)).not.toContain(json.token);
  });

  test("makes no token while the old identity cannot be revoked", async () => {
    await world.stopPeer("cert-authority");
    try {
      const answer = await call("POST", `/v1/fabrics/${fabric.name}/recovery/token`, { body: {} });
      expect(answer.json.code).toBe("PEER_UNAVAILABLE");
      const tokens = await call("GET", `/v1/fabric-tokens?fabric=${fabric.name}`);
      expect(tokens.json.items).toEqual([]);
    } finally {
      await world.startPeer("cert-authority");
    }
  });
});

test("the status of the control plane has monitoring-ingest", async () => {
  const { json } = await call("GET", "/v1/status");
  expect(json.services).toContainEqual({ service: "monitoring-ingest", ready: true, detail: null });
});
