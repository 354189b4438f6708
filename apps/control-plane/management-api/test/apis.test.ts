import { afterAll, beforeAll, expect, test } from "vitest";
import { type ControlPlane, startControlPlane } from "./support/control-plane.ts";

let plane: ControlPlane;
beforeAll(async () => {
  plane = await startControlPlane();
});
afterAll(() => plane[Symbol.asyncDispose]());

const call = (method: string, path: string, body?: unknown) =>
  plane.api.call(method, path, { token: plane.adminToken, ...(body === undefined ? {} : { body }) });

const production = "/v1/environments/production";
const orders = `${production}/apis/orders/versions/v1`;
const openapi = "openapi: 3.1.0\npaths: { /orders: { get: {}, post: {} }, '/orders/{id}': { get: {} } }\n";

test("an API is made, previewed, given policies, tiers, a client and a contract, and audited", async () => {
  const made = await call("POST", `${production}/apis`, { name: "orders", version: "v1", openapi });
  expect(made).toMatchObject({ status: 201, json: { name: "orders", version: "v1", hasOpenapi: true, revision: 1 } });
  expect(made.json).toMatchObject({ policiesInForce: 0, warnings: [expect.stringContaining("open: no policies")] });
  const again = await call("POST", `${production}/apis`, { name: "orders", version: "v1" });
  expect(again.json).toMatchObject({ status: 409, code: "API_ALREADY_EXISTS" });
  expect((await call("GET", "/v1/apis")).json.items).toMatchObject([{ name: "orders", environment: "production" }]);
  expect((await call("GET", `${orders}/openapi`)).json).toEqual({ openapi });

  const conditions = [{ methods: "get", uriTemplate: "/orders/{id}" }, { regularExpression: "/ordres" }];
  const preview = (await call("POST", `${orders}/preview`, { conditions })).json;
  expect(preview).toMatchObject({ source: "openapi", idleConditions: [1] });
  expect(preview.resources.map((one: { conditions: unknown[] }) => one.conditions.length)).toEqual([0, 0, 1]);

  const types = (await call("GET", "/v1/policy-types")).json.items;
  expect(types.map((type: { type: string }) => type.type)).toContain("rate-limiting");
  const schema = (await call("GET", "/v1/policy-types?type=rate-limiting")).json.items[0].schema;
  expect(schema).toMatchObject({ type: "object" });

  const saved = await call("PUT", `${orders}/policies/ids`, {
    type: "client-id-enforcement",
    conditions: [{ uriTemplate: "/nothing" }],
  });
  expect(saved.json).toMatchObject({
    changed: true,
    policy: { name: "ids", order: 1, version: 1, updatedBy: "admin" },
  });
  expect(saved.json.warnings).toEqual([expect.stringContaining("matches no resource of orders:v1@production")]);
  expect(
    (
      await call("PUT", `${production}/automated-policies/cross`, {
        type: "cors",
        configuration: { groups: [{ origins: ["https://a.example"] }] },
      })
    ).status,
  ).toBe(200);
  expect((await call("GET", `${orders}/policies`)).json.items).toMatchObject([
    { name: "cross", api: null },
    { name: "ids", api: "orders" },
  ]);
  expect((await call("GET", orders)).json).toMatchObject({ policies: 1, policiesInForce: 2, warnings: [] });
  expect((await call("GET", `${orders}/policies/ids/versions`)).json.items).toMatchObject([{ action: "created" }]);

  const tier = { limits: [{ requests: 10, periodMs: 1_000 }] };
  expect((await call("PUT", `${orders}/tiers/gold`, tier)).json).toMatchObject({ name: "gold", autoApprove: null });
  const { client, clientSecret } = (await call("POST", "/v1/clients", { name: "shop" })).json;
  expect(clientSecret).toMatch(/^[\w-]{43}$/);
  const contract = (await call("POST", `${orders}/contracts`, { client: "shop", tier: "gold" })).json;
  expect(contract).toMatchObject({ state: "requested", clientId: client.clientId });
  const path = `${production}/contracts/${contract.contractId}`;
  expect((await call("POST", `/v1/environments/sandbox/contracts/${contract.contractId}/approve`, {})).json.code).toBe(
    "CONTRACT_NOT_FOUND",
  );
  expect((await call("POST", `${path}/approve`, {})).json).toMatchObject({ state: "approved", decidedBy: "admin" });
  expect((await call("POST", `${path}/reject`, {})).json).toMatchObject({ code: "CONTRACT_STATE" });
  const used = (await call("DELETE", `${orders}/tiers/gold`)).json;
  expect(used).toMatchObject({
    code: "TIER_IN_USE",
    detail: expect.stringContaining(`${contract.contractId} of "shop"`),
  });
  expect((await call("POST", `${path}/revoke`, { reason: "left" })).json).toMatchObject({ state: "revoked" });
  expect((await call("GET", "/v1/contracts?state=revoked&client=shop")).json.items).toHaveLength(1);

  expect((await call("DELETE", `${orders}/tiers/gold`)).status).toBe(200);
  expect((await call("GET", `${orders}/tiers`)).json.items).toEqual([]);

  const { items } = (await call("GET", "/v1/audit?limit=50")).json;
  const actions = items.map((record: { action: string }) => record.action);
  for (const action of [
    "api.create",
    "policy.apply",
    "tier.apply",
    "tier.delete",
    "client.create",
    "contract.revoke",
  ]) {
    expect(actions).toContain(action);
  }
  expect(JSON.stringify(items)).not.toContain(clientSecret);
});

test("a save that fails names every field and changes nothing", async () => {
  await call("POST", `${production}/apis`, { name: "strict", version: "v1" });
  const path = `${production}/apis/strict/versions/v1`;
  const refused = await call("PUT", `${path}/policies/limit`, { type: "rate-limiting", configuration: { limits: 7 } });
  expect(refused.json).toMatchObject({ status: 400, code: "POLICY_INVALID" });
  expect(refused.json.errors[0].field).toMatch(/^configuration/);
  expect((await call("GET", `${path}/policies`)).json.items.map((one: { name: string }) => one.name)).not.toContain(
    "limit",
  );
});

test("a secret of an application is told once", async () => {
  const body = { name: "once" };
  const options = { token: plane.adminToken, body, headers: { "idempotency-key": "make once" } };
  expect((await plane.api.call("POST", "/v1/clients", options)).status).toBe(201);
  expect((await plane.api.call("POST", "/v1/clients", options)).json).toMatchObject({ code: "REQUEST_ID_REUSED" });
  expect((await call("GET", "/v1/clients/once")).json.secrets).toHaveLength(1);
});

test("no API is observed unless somebody asks for it; whoever does is in the audit (GK 8, MGT 6)", async () => {
  const path = `${production}/apis/watched/versions/v1`;
  const made = await call("POST", `${production}/apis`, { name: "watched", version: "v1" });
  expect(made.json).toMatchObject({ observeRoutes: false, routeWords: [] });
  expect((await call("GET", `${path}/routes`)).json).toEqual({ observed: false, routes: [] });
  const asked = await call("PATCH", path, { observeRoutes: true, routeWords: ["dunning"] });
  expect(asked.json).toMatchObject({ observeRoutes: true, routeWords: ["dunning"] });
  expect((await call("PATCH", path, { description: "of ours" })).json).toMatchObject({ routeWords: ["dunning"] });
  expect((await call("PATCH", path, { routeWords: ["Ada Lovelace"] })).status).toBe(400);
  expect((await call("GET", `${path}/routes`)).json).toEqual({ observed: true, routes: [] });
  const { items } = (await call("GET", "/v1/audit?limit=20")).json;
  expect(
    items.map(({ action, details }: { action: string; details: unknown }) => ({ action, details })),
  ).toContainEqual({
    action: "api.update",
    details: expect.objectContaining({ changed: "observeRoutes routeWords" }),
  });
  expect((await plane.cli("api", "routes", "watched:v1")).stderr).toContain(
    "no route of watched:v1@production was seen",
  );
  const off = await plane.cli("api", "set", "watched:v1", "--observe-routes", "off", "--route-words", "");
  expect(off).toMatchObject({ exitCode: 0, stderr: expect.stringContaining("not observed") });
  expect((await call("GET", path)).json).toMatchObject({ observeRoutes: false, routeWords: [] });
  expect((await plane.cli("api", "routes", "watched:v1")).stderr).toContain("is not observed");
});

test("analytics of an environment are set with an audit record of each value, and an API can only tell less (ANA 3)", async () => {
  await call("POST", "/v1/environments", { name: "lab" });
  const settings = "/v1/environments/lab/analytics/settings";
  await call("POST", "/v1/environments/lab/apis", { name: "told", version: "v1" });
  const byDefault = { isOn: true, clientAddress: "truncated", userAgent: true, geography: "city", routeWords: [] };
  expect((await call("GET", settings)).json).toEqual({
    ...byDefault,
    environment: "lab",
    warnings: [],
    apisTold: 1,
    apisOff: 0,
    updatedAt: null,
    updatedBy: null,
  });
  const raised = await call("PUT", settings, { clientAddress: "full", geography: "country" });
  expect(raised).toMatchObject({ status: 200, json: { ...byDefault, clientAddress: "full", geography: "country" } });
  expect(raised.json).toMatchObject({ updatedBy: "admin", updatedAt: expect.any(String) });
  const { items } = (await call("GET", "/v1/audit?limit=20")).json;
  expect(items).toContainEqual(
    expect.objectContaining({
      action: "analytics-settings.set",
      result: "success",
      details: expect.objectContaining({ clientAddress: "full", geography: "country" }),
    }),
  );
  for (const body of [{ clientAddress: "more" }, { geography: "street" }, { routeWords: ["Ada"] }, { raise: true }]) {
    expect((await call("PUT", settings, body)).status, JSON.stringify(body)).toBe(400);
  }
  expect((await call("PUT", "/v1/environments/nowhere/analytics/settings", {})).json.code).toBe(
    "ENVIRONMENT_NOT_FOUND",
  );

  const api = "/v1/environments/lab/apis/told/versions/v1";
  expect((await call("GET", api)).json).toMatchObject({ analytics: "inherit", analyticsTold: true });
  expect((await call("PATCH", api, { analytics: "full" })).status).toBe(400);
  const off = await plane.cli("api", "set", "told:v1@lab", "--analytics", "off");
  expect(off).toMatchObject({ exitCode: 0, stderr: expect.stringContaining("not told") });
  expect((await call("GET", api)).json).toMatchObject({ analytics: "off", analyticsTold: false });
  expect((await call("PUT", settings, { isOn: true })).json).toMatchObject({ apisTold: 0, apisOff: 1 });
  const set = await plane.cli("analytics", "settings", "set", "-e", "lab", "--client-address", "hashed");
  expect(set).toMatchObject({ exitCode: 0, stderr: expect.stringContaining("no geography is told") });
});

test("the command line does the same", async () => {
  const ran = await plane.cli("api", "create", "cli:v1@production", "-o", "json");
  expect(ran).toMatchObject({ exitCode: 0, stderr: "" });
  expect(await plane.cli("api", "delete", "cli:v1@production")).toMatchObject({ exitCode: 0 });
  expect((await plane.cli("policy", "types")).stdout).toContain("client-id-enforcement");
});

test("levels that are set for environments and fabrics are listed by name, until they are taken away (GK 7)", async () => {
  const levels = async () => (await call("GET", "/v1/gatekeeper-levels")).json;
  await call("POST", "/v1/fabric-tokens", { fabric: "plant-7", environments: ["production"] });
  await call("PUT", "/v1/fabrics/plant-7/gatekeeper", { level: "strict" });
  await call("PUT", `${production}/gatekeeper`, { level: "flexible" });
  const ofProduction = { kind: "environment", name: "production", level: "flexible" };
  const ofFabric = { kind: "fabric", name: "plant-7", level: "strict" };
  expect(await levels()).toEqual({ items: [ofProduction, ofFabric], nextPageToken: "" });
  const first = (await call("GET", "/v1/gatekeeper-levels?limit=1")).json;
  expect(first.items).toEqual([ofProduction]);
  expect((await call("GET", `/v1/gatekeeper-levels?limit=1&pageToken=${first.nextPageToken}`)).json).toEqual({
    items: [ofFabric],
    nextPageToken: "",
  });
  await call("PUT", `${production}/gatekeeper`, { level: null });
  expect((await levels()).items).toEqual([ofFabric]);
});
