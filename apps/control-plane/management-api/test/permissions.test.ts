import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { everyRoute } from "./support/every-route.ts";
import { startApi, type TestApi } from "./support/start-api.ts";
import { aRecord } from "./support/stand-in-cert-authority.ts";
import { aManifest } from "./support/stand-in-config-resolver.ts";
import { aFabric } from "./support/stand-in-runtime-manager.ts";

/** Who calls: a role, and where he has it. */
const callers = {
  nobody: [],
  "viewer of sandbox": [{ role: "viewer", environment: "sandbox" }],
  "viewer of production": [{ role: "viewer", environment: "production" }],
  "operator of production": [{ role: "operator", environment: "production" }],
  "administrator of production": [{ role: "administrator", environment: "production" }],
  "viewer of everything": [{ role: "viewer", environment: "*" }],
  "operator of everything": [{ role: "operator", environment: "*" }],
  "administrator of everything": [{ role: "administrator", environment: "*" }],
} as const;
type CallerName = keyof typeof callers;
const everybody = Object.keys(callers) as CallerName[]; // the keys of the object above

const anyRole = everybody.filter((name) => name !== "nobody");
const viewers = anyRole.filter((name) => name !== "viewer of sandbox");
const operators: CallerName[] = [
  "operator of production",
  "administrator of production",
  "operator of everything",
  "administrator of everything",
];
const viewersOfEverything: CallerName[] = [
  "viewer of everything",
  "operator of everything",
  "administrator of everything",
];
const operatorsOfEverything: CallerName[] = ["operator of everything", "administrator of everything"];
const administrators: CallerName[] = ["administrator of everything"];

/** Who may use which route, on an app in production. Whoever is not named gets 403 PERMISSION_DENIED. */
const mayUse: Readonly<Record<string, readonly CallerName[]>> = {
  "whoami.show": everybody,
  "session.end": everybody,
  "status.show": everybody,
  "environment.list": everybody,
  "api-token.list": everybody,
  "api-token.create": everybody,
  "api-token.revoke": everybody,
  "user.set-password": administrators, // of somebody else
  "user.list": administrators,
  "user.create": administrators,
  "user.set-roles": administrators,
  "user.delete": administrators,
  "environment.create": administrators,
  "fabric.list": anyRole,
  "fabric.show": viewers, // a fabric that runs production only
  "fabric.delete": administrators,
  "fabric.update": administrators,
  "fabric.recovery": viewers,
  "fabric.allow-recovery": administrators,
  "fabric.set-recovery-mode": administrators,
  "fabric.reactivate": administrators,
  "certificate.list": anyRole,
  "certificate.show": viewers, // of a fabric that runs production only
  "certificate.revoke": administrators,
  "ca.show": viewersOfEverything,
  "ca.rotate": administrators,
  "ca.advance": administrators,
  "ca.rollback": administrators,
  "fabric-token.create": administrators,
  "fabric-token.list": operatorsOfEverything,
  "fabric-token.show": operatorsOfEverything,
  "fabric-token.approve": operatorsOfEverything,
  "fabric-token.revoke": administrators,
  "bundle.probe": anyRole,
  "bundle.show": anyRole,
  "bundle.upload": operators,
  "app.list": anyRole,
  "gate.list": anyRole,
  "gatekeeper.list": anyRole,
  "environment.set-gatekeeper": administrators,
  "fabric.set-gatekeeper": administrators,
  "app.show": viewers,
  "app.history": viewers,
  "app.deploy": operators,
  "app.delete": operators,
  "app.start": operators,
  "app.stop": operators,
  "app.restart": operators,
  "app.scale": operators,
  "app.rollback": operators,
  "app.logs": operators,
  "api.list": anyRole,
  "client.list": anyRole,
  "client.show": anyRole,
  "contract.list": anyRole,
  "policy-type.list": everybody,
  "api.show": viewers,
  "api.openapi": viewers,
  "api.preview": viewers,
  "api.routes": viewers,
  "analytics-settings.show": viewers,
  "metrics.list": viewers,
  "metrics.own": viewers,
  "metrics.show": viewers,
  "metrics.scrape": viewers,
  "analytics.query": viewers,
  "analytics.requests": viewers,
  "analytics.export": viewers,
  "analytics.intake": anyRole,
  "alert.list": anyRole,
  "alert-rule.list": viewers,
  "alert-rule.show": viewers,
  "alert-rule.apply": operators,
  "alert-silence.list": viewers,
  "alert-silence.create": operators,
  "alert-silence.end": operators,
  "alert-receiver.list": viewers,
  "alert-receiver.test": operators,
  "capture.list": anyRole,
  "capture.show": viewers,
  "capture.exchanges": operators,
  "capture.start": operators,
  "capture.stop": operators,
  "dead-letter.list": administrators,
  "dead-letter.replay": administrators,
  "dead-letter.delete": administrators,
  "analytics-settings.set": operators,
  "policy.list": viewers,
  "policy.show": viewers,
  "policy.history": viewers,
  "automated-policy.list": viewers,
  "automated-policy.show": viewers,
  "automated-policy.history": viewers,
  "tier.list": viewers,
  "api.create": operators,
  "api.update": operators,
  "api.delete": operators,
  "policy.apply": operators,
  "policy.remove": operators,
  "policy.reorder": operators,
  "automated-policy.apply": operators,
  "automated-policy.remove": operators,
  "automated-policy.reorder": operators,
  "tier.apply": operators,
  "tier.delete": operators,
  "contract.request": operators,
  "contract.approve": operators,
  "contract.reject": operators,
  "contract.revoke": operators,
  "contract.tier": operators,
  "client.create": operatorsOfEverything,
  "client.rotate": operatorsOfEverything,
  "client.revoke": operatorsOfEverything,
  "audit.list": administrators,
};
const isPublic = ["session.create", "trust-bundle.show", "openapi.show"];

let world: TestApi;
const tokens = new Map<CallerName, string>();

beforeAll(async () => {
  // More strangers than one address may be in a minute.
  world = await startApi({
    env: { DRAWBRIDGE_RATE_REFUSED_PER_ADDRESS: "1000", DRAWBRIDGE_RATE_PER_ADDRESS: "100000" },
  });
  const fabric = aFabric({ name: "edge", environments: ["production"] });
  world.runtimeManager.fabrics.set(fabric.fabricId, fabric);
  world.certAuthority.records.push(aRecord({ serialNumber: "0a", fabricId: fabric.fabricId }));
  for (const [index, name] of everybody.entries()) {
    tokens.set(name, await world.createUser(`caller-${index}`, callers[name]));
  }
});
afterAll(() => world[Symbol.asyncDispose]());

const actions = everyRoute().map((route) => route.action);

test("the table names every route, and every route declares its permission", () => {
  expect([...Object.keys(mayUse), ...isPublic].toSorted()).toEqual(actions.toSorted());
  for (const route of everyRoute())
    expect(route.permission.scope, route.action).toMatch(/^(public|user|any-environment|environment|organisation)$/);
});

describe.each(Object.entries(mayUse))("%s", (action, allowed) => {
  const route = everyRoute().find((candidate) => candidate.action === action);

  test(`is for ${allowed.join(", ")}`, async () => {
    if (!route) throw new Error(`no route ${action}`);
    const admitted: CallerName[] = [];
    for (const name of everybody) {
      const request = { ...requestFor(action), token: await tokenFor(name, action) };
      const answer = await world.api.call(route.method, pathFor(route.path, action), request);
      expect(answer.status).not.toBe(401);
      const isDenied = answer.status === 403 && (route.method === "HEAD" || answer.json.code === "PERMISSION_DENIED");
      if (!isDenied) admitted.push(name);
    }
    expect(admitted).toEqual(everybody.filter((name) => allowed.includes(name)));
  });

  test("by a stranger is refused before the body is looked at", async () => {
    if (!route) throw new Error(`no route ${action}`);
    const answer = await world.api.call(route.method, pathFor(route.path, action));
    expect(answer.status).toBe(401);
  });
});

test("an environment without a binding is refused like one that does not exist", async () => {
  const token = tokens.get("operator of production");
  const hidden = await world.api.call("GET", "/v1/environments/sandbox/apps/hello", { token });
  const absent = await world.api.call("GET", "/v1/environments/nowhere/apps/hello", { token });
  expect([hidden.json.code, absent.json.code]).toEqual(["PERMISSION_DENIED", "PERMISSION_DENIED"]);
  const everywhere = tokens.get("viewer of everything");
  const unknown = await world.api.call("GET", "/v1/environments/nowhere/apps/hello", { token: everywhere });
  expect(unknown.json.code).toBe("ENVIRONMENT_NOT_FOUND");
});

test("lists show only what the caller may see", async () => {
  const names = async (path: string, name: CallerName): Promise<string[]> => {
    const { json } = await world.api.call("GET", path, { token: tokens.get(name) });
    return json.items.map((item: { name: string }) => item.name);
  };
  expect(await names("/v1/environments", "viewer of sandbox")).toEqual(["sandbox"]);
  expect(await names("/v1/fabrics", "viewer of sandbox")).toEqual([]);
  expect(await names("/v1/fabrics", "viewer of production")).toEqual(["edge"]);
});

/** Logging out would end the token for the tests that follow. */
async function tokenFor(name: CallerName, action: string): Promise<string | undefined> {
  if (action !== "session.end") return tokens.get(name);
  const index = everybody.indexOf(name);
  return world.login(`caller-${index}`, `password of caller-${index}`);
}

const anyUuid = "00000000-0000-4000-8000-000000000000";

function pathFor(template: string, action: string): string {
  return template
    .replace("{environment}", "production")
    .replace("{name}", "hello")
    .replace("{api}", "orders")
    .replace("{version}", "v1")
    .replace("{policy}", "limit")
    .replace("{tier}", "gold")
    .replace("{client}", "shop")
    .replace("{username}", "somebody-else")
    .replace("{fabric}", ["fabric.delete", "fabric.reactivate", "fabric.update"].includes(action) ? "nowhere" : "edge")
    .replace("{serial}", "0a")
    .replace("{digest}", `sha256:${"0".repeat(64)}`)
    .replace("{id}", anyUuid);
}

/** Requests that are valid and change nothing: what they name does not exist. */
function requestFor(action: string): { body?: unknown; bytes?: Buffer; headers?: Record<string, string> } {
  switch (action) {
    case "user.create":
      return { body: { username: "admin", password: "a long password" } };
    case "user.set-roles":
      return { body: { bindings: [] } };
    case "user.set-password":
      return { body: { newPassword: "a long password" } };
    case "environment.create":
      return { body: { name: "production" } };
    case "fabric-token.create":
      return { body: { fabric: "edge", environments: ["nowhere"] } };
    case "fabric-token.approve":
      return { body: { keySha256: "ab".repeat(32) } };
    case "api-token.create":
      return { body: {} };
    case "certificate.revoke":
      return { body: { serialNumber: "0b", reason: "it leaked" } };
    case "fabric.set-recovery-mode":
      return { body: { mode: "manual" } };
    case "ca.advance":
      return { body: { fromPhase: "init" } };
    case "fabric.allow-recovery":
    case "fabric.reactivate":
    case "ca.rotate":
    case "ca.rollback":
      return { body: {} };
    case "api.create":
      return { body: { name: "orders", version: "v1" } };
    case "api.preview":
      return { body: { conditions: [{ uriTemplate: "/orders" }] } };
    case "policy.apply":
    case "automated-policy.apply":
      return { body: { type: "rate-limiting" } };
    case "alert-rule.apply":
      return { body: { rules: [] } };
    case "alert-silence.create":
      return { body: { durationSeconds: 60, reason: "we know" } };
    case "capture.start":
      return { body: { durationSeconds: 60 } };
    case "dead-letter.replay":
      return { body: { all: true } };
    case "policy.reorder":
    case "automated-policy.reorder":
      return { body: { names: [] } };
    case "tier.apply":
      return { body: { limits: [{ requests: 1, periodMs: 1_000 }] } };
    case "client.create":
      return { body: { name: "shop" } };
    case "contract.request":
      return { body: { client: "shop" } };
    case "contract.tier":
      return { body: { tier: "gold" } };
    case "analytics-settings.set":
    case "api.update":
    case "client.rotate":
    case "contract.approve":
    case "contract.reject":
    case "contract.revoke":
      return { body: {} };
    case "app.deploy":
      return { body: { bundleDigest: world.configResolver.addBundle(aManifest({ name: "other" })) } };
    case "app.scale":
      return { body: { replicas: 1 } };
    case "bundle.upload":
      return { bytes: Buffer.from("x"), headers: { "upload-offset": "9", "upload-length": "10" } };
    default:
      return {};
  }
}
