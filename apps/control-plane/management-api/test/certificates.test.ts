import { CertificateState } from "@drawbridge/contracts/certs/v1/certificate_authority_service";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { aRecord } from "./support/stand-in-cert-authority.ts";
import { startApi, type TestApi } from "./support/start-api.ts";
import { aFabric } from "./support/stand-in-runtime-manager.ts";

let world: TestApi;
const fabric = aFabric({ name: "edge-berlin", environments: ["production"] });
const hidden = aFabric({ name: "edge-hidden", environments: ["sandbox"] });
const agentOf = ({ fabricId, agentId }: { fabricId: string; agentId: string }) =>
  `spiffe://drawbridge.local/org/default/fabric/${fabricId}/agent/${agentId}`;
const renewAt = new Date("2126-01-01T00:00:00Z");
const records = {
  service: aRecord(),
  agent: aRecord({ fabricId: fabric.fabricId, spiffeId: agentOf(fabric) }),
  superseded: aRecord({
    fabricId: fabric.fabricId,
    spiffeId: agentOf(fabric),
    state: CertificateState.CERTIFICATE_STATE_REVOKED,
    revocationReason: "superseded",
    revokedAt: new Date(),
  }),
  expired: aRecord({ fabricId: fabric.fabricId, spiffeId: agentOf(fabric), notAfter: new Date(Date.now() - 1) }),
  hidden: aRecord({ fabricId: hidden.fabricId, spiffeId: agentOf(hidden) }),
  orphan: aRecord({
    fabricId: "0197b0a0-0000-7000-8000-000000000001",
    spiffeId: agentOf({ fabricId: "0197b0a0-0000-7000-8000-000000000001", agentId: fabric.agentId }),
  }),
};

beforeAll(async () => {
  world = await startApi();
  const certificates = [
    { purpose: "tunnel", serialNumber: records.agent.serialNumber, notAfter: renewAt, renewAt, lastFailure: "TIMEOUT" },
  ];
  world.runtimeManager.fabrics.set(fabric.fabricId, { ...fabric, certificates });
  world.runtimeManager.fabrics.set(hidden.fabricId, hidden);
  world.certAuthority.records.push(...Object.values(records));
});
afterAll(() => world[Symbol.asyncDispose]());

const call = (method: string, path: string, options: object = {}) =>
  world.api.call(method, path, { token: world.adminToken, ...options });
const serialsIn = (answer: { json: { items: { serialNumber: string }[] } }) =>
  answer.json.items.map(({ serialNumber }) => serialNumber);

describe("the list of certificates", () => {
  test("names whom each is for, its state, and when its agent means to renew it", async () => {
    const { json } = await call("GET", "/v1/certificates");
    const shown = Object.fromEntries(json.items.map((item: { serialNumber: string }) => [item.serialNumber, item]));
    expect(shown[records.service.serialNumber]).toMatchObject({ subject: "service activation", fabric: null });
    expect(shown[records.agent.serialNumber]).toMatchObject({
      subject: "agent of edge-berlin",
      kind: "agent",
      fabric: "edge-berlin",
      state: "active",
      renewAt: renewAt.toISOString(),
      lastRenewalFailure: "TIMEOUT",
      issuerId: "i",
    });
    expect(shown[records.superseded.serialNumber]).toMatchObject({ state: "superseded", renewAt: null });
    expect(shown[records.orphan.serialNumber].subject).toMatch(/^agent of deleted fabric /);
    expect(shown).not.toHaveProperty(records.expired.serialNumber);
  });

  test("has expired ones when all are asked for", async () => {
    const { json } = await call("GET", "/v1/certificates?all=true&fabric=edge-berlin");
    const states = json.items.map(({ state }: { state: string }) => state);
    expect(states).toEqual(["active", "superseded", "expired"]);
  });

  test("comes in pages that leave nothing out", async () => {
    const first = await call("GET", "/v1/certificates?limit=2");
    const second = await call("GET", `/v1/certificates?limit=2&pageToken=${first.json.nextPageToken}`);
    const third = await call("GET", `/v1/certificates?limit=2&pageToken=${second.json.nextPageToken}`);
    expect(third.json.nextPageToken).toBe("");
    expect([first, second, third].flatMap(serialsIn)).toEqual(serialsIn(await call("GET", "/v1/certificates")));
  });

  test("shows to each only what is his", async () => {
    const token = await world.createUser("prod-viewer", [{ role: "viewer", environment: "production" }]);
    const answer = await call("GET", "/v1/certificates", { token });
    expect(serialsIn(answer)).toEqual([records.agent.serialNumber, records.superseded.serialNumber]);
    const shown = (serial: string) => call("GET", `/v1/certificates/${serial}`, { token });
    expect((await shown(records.agent.serialNumber)).status).toBe(200);
    for (const serial of [records.hidden.serialNumber, records.service.serialNumber, "0123"]) {
      expect((await shown(serial)).json.code).toBe("PERMISSION_DENIED");
    }
  });

  test("goes on without runtime-manager for who sees everything, with ids in place of names", async () => {
    await world.stopPeer("runtime-manager");
    try {
      const { json } = await call("GET", "/v1/certificates?limit=2");
      expect(json.items[1]).toMatchObject({ subject: `agent of fabric ${fabric.fabricId}`, fabric: null });
    } finally {
      await world.startPeer("runtime-manager");
    }
  });
});

test("a certificate that nobody issued is not found, and its serial may be written with capitals", async () => {
  expect((await call("GET", "/v1/certificates/0123")).json.code).toBe("CERTIFICATE_NOT_FOUND");
  expect((await call("GET", "/v1/certificates/not-hex")).json.code).toBe("REQUEST_INVALID");
  const answer = await call("GET", `/v1/certificates/${records.service.serialNumber.toUpperCase()}`);
  expect(answer.json.serialNumber).toBe(records.service.serialNumber);
});

describe("revoking (REN 6)", () => {
  test("is for ever, says what was revoked, and is recorded with its reason", async () => {
    const record = aRecord({ fabricId: fabric.fabricId, spiffeId: agentOf(fabric) });
    world.certAuthority.records.push(record);
    const body = { serialNumber: record.serialNumber, reason: "laptop was stolen" };
    const { json } = await call("POST", "/v1/certificates/revoke", { body });
    expect(json).toMatchObject({
      revoked: [record.serialNumber],
      certificate: { state: "revoked", subject: "agent of edge-berlin", revocationReason: "laptop was stolen" },
    });
    expect((await call("POST", "/v1/certificates/revoke", { body })).json.revoked).toEqual([]);
    const audit = await call("GET", "/v1/audit?limit=2");
    expect(audit.json.items[1]).toMatchObject({
      action: "certificate.revoke",
      target: record.serialNumber,
      result: "success",
      details: { reason: "laptop was stolen", spiffeId: record.spiffeId },
    });
  });

  test("takes a fingerprint, also of a certificate without a record", async () => {
    const fingerprintSha256 = `sha256:${"CD".repeat(32)}`;
    const answer = await call("POST", "/v1/certificates/revoke", { body: { fingerprintSha256, reason: "leaked" } });
    expect(answer.json).toEqual({ revoked: [], certificate: null });
    expect(world.certAuthority.revocations.at(-1)).toEqual({
      target: { $case: "fingerprintSha256", value: "cd".repeat(32) },
      reason: "leaked",
    });
    const audit = await call("GET", "/v1/audit?limit=1");
    expect(audit.json.items[0].target).toBe(fingerprintSha256.toLowerCase());
  });

  test.each([
    [{ reason: "x" }, "serialNumber"],
    [{ serialNumber: "01", fingerprintSha256: `sha256:${"0".repeat(64)}`, reason: "x" }, "serialNumber"],
    [{ serialNumber: "01", reason: "" }, "reason"],
    [{ serialNumber: "01" }, "reason"],
    [{ serialNumber: "xyz", reason: "x" }, "serialNumber"],
    [{ fingerprintSha256: "abc", reason: "x" }, "fingerprintSha256"],
  ])("%j is refused, naming the field", async (body, field) => {
    const { json } = await call("POST", "/v1/certificates/revoke", { body });
    expect(json).toMatchObject({ code: "REQUEST_INVALID", errors: [{ field }] });
  });

  test("says which service is away", async () => {
    await world.stopPeer("cert-authority");
    try {
      const { json } = await call("POST", "/v1/certificates/revoke", { body: { serialNumber: "01", reason: "x" } });
      expect(json).toMatchObject({ code: "PEER_UNAVAILABLE", details: { service: "cert-authority" } });
    } finally {
      await world.startPeer("cert-authority");
    }
  });
});
