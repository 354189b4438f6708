import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { startApi, type TestApi } from "./support/start-api.ts";
import { aManifest } from "./support/stand-in-config-resolver.ts";

let world: TestApi;
beforeAll(async () => {
  world = await startApi();
});
afterAll(() => world[Symbol.asyncDispose]());

const call = (method: string, path: string, options: object = {}) =>
  world.api.call(method, path, { token: world.adminToken, ...options });

describe("an activation token (ACT 1)", () => {
  test("creates its fabric, is shown once and never cached", async () => {
    const made = await call("POST", "/v1/fabric-tokens", {
      body: { fabric: "edge", region: "eu", environments: ["production"] },
    });
    expect(made.status).toBe(201);
    expect(made.headers["cache-control"]).toBe("no-store");
    expect(made.json.token).toMatch(/^fat1\./);
    expect((await call("GET", "/v1/fabrics/edge")).json).toMatchObject({
      fabricId: made.json.fabricId,
      region: "eu",
      environments: ["production"],
    });

    const listed = await call("GET", "/v1/fabric-tokens?fabric=edge");
    expect(listed.json.items).toMatchObject([
      { tokenId: made.json.tokenId, state: "unused", createdBy: "admin", redeemedAt: null },
    ]);
    expect(JSON.stringify(listed.json)).not.toContain(made.json.token);

    const revoked = await call("DELETE", `/v1/fabric-tokens/${made.json.tokenId}`);
    expect(revoked.json.state).toBe("revoked");
    expect((await call("DELETE", `/v1/fabric-tokens/${crypto.randomUUID()}`)).json.code).toBe(
      "ACTIVATION_TOKEN_NOT_FOUND",
    );
  });

  test("may be for certain networks, which the list shows (R3)", async () => {
    const allowedNetworks = ["10.0.0.0/8", "2001:db8::/32", "192.0.2.7"];
    const made = await call("POST", "/v1/fabric-tokens", { body: { fabric: "bound", allowedNetworks } });
    expect(made.status).toBe(201);
    expect((await call("GET", "/v1/fabric-tokens?fabric=bound")).json.items).toMatchObject([
      { allowedNetworks: ["10.0.0.0/8", "2001:db8::/32", "192.0.2.7/32"] },
    ]);
  });

  test("may need the approval of its agent by somebody else than who made it (R3)", async () => {
    const made = await call("POST", "/v1/fabric-tokens", { body: { fabric: "watched", requiresApproval: true } });
    const path = `/v1/fabric-tokens/${made.json.tokenId}`;
    const shown = await call("GET", path);
    expect(shown.json).toMatchObject({
      requiresApproval: true,
      approvedBy: "",
      approvedAt: null,
      applicants: [{ address: "192.0.2.7", agentVersion: "0.1.0" }],
    });
    const { keySha256 } = shown.json.applicants[0];
    expect((await call("POST", `${path}/approve`, { body: { keySha256 } })).json).toMatchObject({
      status: 403,
      code: "ACTIVATION_APPROVAL_BY_CREATOR",
    });
    expect((await call("POST", `${path}/approve`, { body: { keySha256: "AB" } })).json).toMatchObject({
      code: "REQUEST_INVALID",
      errors: [{ field: "keySha256" }],
    });

    const second = await world.createUser("second", [{ role: "operator", environment: "*" }]);
    const approved = await world.api.call("POST", `${path}/approve`, { token: second, body: { keySha256 } });
    expect(approved.json).toMatchObject({ approvedBy: "second", approvedKeySha256: keySha256 });
    const { json } = await call("GET", "/v1/audit?limit=20");
    const audited = json.items.filter(({ action }: { action: string }) => action === "fabric-token.approve");
    expect(audited).toMatchObject([
      { actor: "second", result: "success", target: made.json.tokenId, details: { keySha256 } },
      { actor: "admin", result: "failed" },
      { actor: "admin", result: "refused", errorCode: "ACTIVATION_APPROVAL_BY_CREATOR" },
    ]);
  });

  test("is not made twice by a repeated request", async () => {
    const make = () =>
      call("POST", "/v1/fabric-tokens", {
        body: { fabric: "twice", environments: ["production"] },
        headers: { "idempotency-key": "t" },
      });
    expect((await make()).status).toBe(201);
    expect((await make()).json.code).toBe("REQUEST_ID_REUSED");
  });

  test.each([
    [{ fabric: "x", environments: ["Prod!"] }, "environments.0"],
    [{ fabric: "X!", environments: ["production"] }, "fabric"],
    [{ fabric: "x", environments: ["production"], ttlSeconds: 299 }, "ttlSeconds"],
    [{ fabric: "x", environments: ["production"], ttlSeconds: 86_401 }, "ttlSeconds"],
    [{ fabric: "x", keySha256: "AB".repeat(32) }, "keySha256"],
    [{ fabric: "x", allowedNetworks: ["10.0.0.0/8", "10.0.0.0/33"] }, "allowedNetworks.1"],
  ])("is refused for %j, naming the field", async (body, field) => {
    expect((await call("POST", "/v1/fabric-tokens", { body })).json).toMatchObject({
      code: "REQUEST_INVALID",
      errors: [{ field }],
    });
  });

  test("without environments leaves a fabric as it is, and says what a new one runs", async () => {
    const body = { fabric: "quiet", environments: ["sandbox"] };
    expect((await call("POST", "/v1/fabric-tokens", { body })).json).toMatchObject({ created: true });
    const again = await call("POST", "/v1/fabric-tokens", { body: { fabric: "quiet" } });
    expect(again.json).toMatchObject({ created: false, environments: ["sandbox"] });
    expect((await call("GET", "/v1/fabrics/quiet")).json.environments).toEqual(["sandbox"]);

    const made = await call("POST", "/v1/fabric-tokens", { body: { fabric: "brand-new" } });
    expect(made.json).toMatchObject({ created: true, environments: ["production"] });
  });

  test("is recorded with the fabric that it is for", async () => {
    await call("POST", "/v1/fabric-tokens", { body: { fabric: "recorded", environments: ["nowhere"] } });
    const { json } = await call("GET", "/v1/audit?limit=1");
    expect(json.items).toMatchObject([{ action: "fabric-token.create", target: "recorded", result: "failed" }]);
  });

  test("for an environment that does not exist makes no fabric", async () => {
    const answer = await call("POST", "/v1/fabric-tokens", { body: { fabric: "lost", environments: ["nowhere"] } });
    expect(answer.json.code).toBe("ENVIRONMENT_NOT_FOUND");
    expect((await call("GET", "/v1/fabrics/lost")).json.code).toBe("FABRIC_NOT_FOUND");
  });
});

describe("a fabric", () => {
  test("is shown with what its agent tells, numbers as JSON numbers (META 1)", async () => {
    await call("POST", "/v1/fabric-tokens", { body: { fabric: "shown", environments: ["production"] } });
    expect((await call("GET", "/v1/fabrics/shown")).json).toMatchObject({
      state: "connected",
      cluster: { driver: "process", nodes: 1, memoryBytes: 8_000_000_000, logsAllowed: true },
      alerts: [{ reason: "ClockSkew" }],
      clockSkewMs: -12,
      desiredGeneration: 3,
    });
  });

  test("has limits of its own for its clock until they are taken away (R21)", async () => {
    await call("POST", "/v1/fabric-tokens", { body: { fabric: "offbeat", environments: ["production"] } });
    const own = await call("PATCH", "/v1/fabrics/offbeat", { body: { clockSkewFailSeconds: 900 } });
    expect(own.json).toMatchObject({ name: "offbeat", clockLimits: { warnSeconds: 60, failSeconds: 900 } });
    for (const clockSkewWarnSeconds of [0, "60", 86_401]) {
      const refused = await call("PATCH", "/v1/fabrics/offbeat", { body: { clockSkewWarnSeconds } });
      expect(refused.json).toMatchObject({ code: "REQUEST_INVALID", errors: [{ field: "clockSkewWarnSeconds" }] });
    }
    const absent = await call("PATCH", "/v1/fabrics/absent", { body: { clockSkewWarnSeconds: null } });
    expect(absent.json.code).toBe("FABRIC_NOT_FOUND");
  });

  test("with apps is deleted only by force", async () => {
    await call("POST", "/v1/fabric-tokens", { body: { fabric: "busy", environments: ["sandbox"] } });
    const body = { fabric: "busy", bundleDigest: world.configResolver.addBundle(aManifest()) };
    await call("PUT", "/v1/environments/sandbox/apps/hello", { body });
    expect((await call("DELETE", "/v1/fabrics/busy")).json.code).toBe("FABRIC_HAS_APPS");
    expect((await call("DELETE", "/v1/fabrics/busy?force=maybe")).json.code).toBe("REQUEST_INVALID");
    expect((await call("DELETE", "/v1/fabrics/busy?force=true")).status).toBe(200);
  });

  test("that he may not see is answered like one that does not exist", async () => {
    await call("POST", "/v1/fabric-tokens", { body: { fabric: "hidden", environments: ["production"] } });
    const token = await world.createUser("sandboxer", [{ role: "viewer", environment: "sandbox" }]);
    const hidden = await call("GET", "/v1/fabrics/hidden", { token });
    const absent = await call("GET", "/v1/fabrics/absent", { token });
    expect(hidden.json).toMatchObject({ status: 403, code: "PERMISSION_DENIED" });
    expect(absent.json.detail.replace("absent", "hidden")).toBe(hidden.json.detail);
  });
});
