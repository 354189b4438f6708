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
  expect((await call("POST", `${path}/revoke`, { reason: "left" })).json).toMatchObject({ state: "revoked" });
  expect((await call("GET", "/v1/contracts?state=revoked&client=shop")).json.items).toHaveLength(1);

  const { items } = (await call("GET", "/v1/audit?limit=50")).json;
  const actions = items.map((record: { action: string }) => record.action);
  for (const action of ["api.create", "policy.apply", "tier.apply", "client.create", "contract.revoke"]) {
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

test("the command line does the same", async () => {
  const ran = await plane.cli("api", "create", "cli:v1@production", "-o", "json");
  expect(ran).toMatchObject({ exitCode: 0, stderr: "" });
  expect(await plane.cli("api", "delete", "cli:v1@production")).toMatchObject({ exitCode: 0 });
  expect((await plane.cli("policy", "types")).stdout).toContain("client-id-enforcement");
});
