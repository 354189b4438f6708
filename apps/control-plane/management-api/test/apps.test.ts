import { DrawbridgeError } from "@drawbridge/errors";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { startApi, type TestApi } from "./support/start-api.ts";
import { aManifest } from "./support/stand-in-config-resolver.ts";
import { aFabric } from "./support/stand-in-runtime-manager.ts";

let world: TestApi;
beforeAll(async () => {
  world = await startApi();
  const fabric = aFabric({ name: "edge", environments: ["production"] });
  world.runtimeManager.fabrics.set(fabric.fabricId, fabric);
});
afterAll(() => world[Symbol.asyncDispose]());

let appName = "";
let counter = 0;
beforeEach(() => {
  counter += 1;
  appName = `app-${counter}`;
});

const path = (suffix = ""): string => `/v1/environments/production/apps/${appName}${suffix}`;
const call = (method: string, suffix = "", options: object = {}) =>
  world.api.call(method, path(suffix), { token: world.adminToken, ...options });
const bundle = (parts: object = {}): string => world.configResolver.addBundle(aManifest({ name: appName, ...parts }));
const deploy = (body: object = {}, headers: Record<string, string> = {}) =>
  call("PUT", "", { body: { fabric: "edge", bundleDigest: bundle(), ...body }, headers });
const withProperties = (properties: object, version = "1.0.0") => bundle({ version, configuration: { properties } });

describe("a deploy", () => {
  test("answers with the app as it should be and as it is", async () => {
    const { status, json } = await deploy({ replicas: 2, publicPort: 18_080 });
    expect(status).toBe(200);
    expect(json).toMatchObject({
      name: appName,
      environment: "production",
      fabric: "edge",
      version: "1.0.0",
      revision: 1,
      desiredState: "running",
      replicas: 2,
      publicPort: 18_080,
      manifest: { name: appName },
      status: { phase: "running", appliedCurrent: true, replicas: [{ state: "ready" }] },
    });
    expect((await call("GET")).json).toEqual(json);
  });

  test("repeated with the same Idempotency-Key, UUID or not, makes one revision", async () => {
    for (const key of [crypto.randomUUID(), "release 2026-01"]) {
      const body = { bundleDigest: bundle({ version: key.slice(0, 7).replaceAll(" ", "-") }) };
      const first = await deploy(body, { "idempotency-key": key });
      const again = await deploy(body, { "idempotency-key": key });
      expect(again.json).toEqual(first.json);
    }
    expect((await call("GET", "/revisions")).json.items).toHaveLength(2);
  });

  test("hands an Idempotency-Key that is a UUID on as the request id", async () => {
    const key = crypto.randomUUID();
    await deploy({}, { "idempotency-key": key });
    expect(world.runtimeManager.deploys.at(-1)?.requestId).toBe(key);
  });

  test("of a bundle of another app is refused, and says both names", async () => {
    const answer = await deploy({ bundleDigest: world.configResolver.addBundle(aManifest({ name: "other" })) });
    expect(answer.json).toMatchObject({
      status: 400,
      code: "APP_NAME_MISMATCH",
      details: { asked: appName, declared: "other" },
    });
    expect(answer.json.detail).toContain(`"${appName}"`);
    expect(answer.json.detail).toContain('"other"');
  });

  test("of a bundle that is not stored is refused", async () => {
    expect((await deploy({ bundleDigest: `sha256:${"0".repeat(64)}` })).json.code).toBe("BUNDLE_NOT_FOUND");
  });

  test("names every property that does not fit the manifest, and no value", async () => {
    const bundleDigest = withProperties({ LIMIT: { type: "integer", required: true }, KEY: { secret: true } });
    const answer = await deploy({ bundleDigest, properties: { KEY: "hunter2-in-plain", OTHER: "x" } });
    expect(answer.json).toMatchObject({ status: 400, code: "CONFIGURATION_INVALID" });
    expect(answer.json.errors.map((error: { field: string }) => error.field).toSorted()).toEqual([
      "properties.KEY",
      "properties.LIMIT",
      "properties.OTHER",
    ]);
    expect(JSON.stringify(answer.json)).not.toContain("hunter2");
  });

  test("stores the given properties with the defaults of the others", async () => {
    const bundleDigest = withProperties({ A: { default: "1" }, B: {}, KEY: { secret: true } });
    await deploy({ bundleDigest, properties: { B: "2" }, secureProperties: { KEY: "k" } });
    expect(world.configResolver.configurations.at(-1)).toMatchObject({
      org: "default",
      properties: { A: "1", B: "2" },
      secureProperties: { KEY: "k" },
      sealedProperties: {},
    });
    expect(world.runtimeManager.deploys.at(-1)?.configuration?.digest).toMatch(/^sha256:/);
  });

  test("with sealed properties is refused here, since no agent can open them", async () => {
    const bundleDigest = withProperties({ KEY: { secret: true } });
    expect((await deploy({ bundleDigest, sealedProperties: { KEY: "e30" } })).json).toMatchObject({
      status: 400,
      code: "REQUEST_INVALID",
      errors: [{ field: "sealedProperties" }],
    });
  });

  test("without properties keeps the earlier ones while the version declares the same", async () => {
    const declared = { A: { default: "1" }, B: {} };
    await deploy({ bundleDigest: withProperties(declared), properties: { B: "2" } });
    const kept = world.runtimeManager.deploys.at(-1)?.configuration;
    await deploy({ bundleDigest: withProperties(declared, "2.0.0") });
    expect(world.runtimeManager.deploys.at(-1)).toMatchObject({ version: "2.0.0", configuration: kept });
  });

  test("without properties asks for them when the version declares others", async () => {
    await deploy({ bundleDigest: withProperties({ A: {} }), properties: { A: "1" } });
    const answer = await deploy({ bundleDigest: withProperties({ A: {}, NEW: { required: true } }, "2.0.0") });
    expect(answer.json).toMatchObject({ status: 409, code: "CONFIGURATION_REQUIRED" });
    expect(answer.json.detail).toContain("NEW");
  });

  test("without properties takes the new defaults where the earlier ones were defaults and nothing else", async () => {
    await deploy({ bundleDigest: withProperties({ A: { default: "1" } }) });
    expect(
      (await deploy({ bundleDigest: withProperties({ A: { default: "2" }, B: { default: "3" } }, "2.0.0") })).status,
    ).toBe(200);
    expect(world.configResolver.configurations.at(-1)?.properties).toEqual({ A: "2", B: "3" });
  });

  test("shows the hosts that were asked for, keeps them when none are given and takes them away with an empty list", async () => {
    const routes = [{ host: "api.example.com", path: "/orders" }];
    expect((await deploy({ routes: [...routes, { host: "*.example.com" }] })).json.routes).toEqual([
      ...routes,
      { host: "*.example.com", path: "/" },
    ]);
    await deploy({ replicas: 2 });
    expect(world.runtimeManager.deploys.at(-1)?.routes).toBeUndefined();
    expect((await deploy({ routes: [] })).json.routes).toEqual([]);
  });

  test("passes on what runtime-manager refuses", async () => {
    world.runtimeManager.failNext = new DrawbridgeError({
      kind: "already_exists",
      code: "PUBLIC_PORT_TAKEN",
      message: "port 18080 is taken by the app other",
      details: { app: "other" },
    });
    expect((await deploy({ publicPort: 18_080 })).json).toMatchObject({
      type: "urn:drawbridge:error:PUBLIC_PORT_TAKEN",
      status: 409,
      detail: "port 18080 is taken by the app other",
      details: { app: "other" },
    });
  });

  test("with fields that are wrong is refused before anything is asked, and names each", async () => {
    const before = world.runtimeManager.deploys.length;
    const answer = await deploy({ bundleDigest: "sha256:short", replicas: 101, extra: true });
    expect(answer.json).toMatchObject({
      code: "REQUEST_INVALID",
      errors: [
        { field: "bundleDigest", message: 'must be "sha256:" and 64 lower-case hex digits' },
        { field: "replicas", message: "must be 0 to 100" },
        { field: "extra", message: "is not a known field; remove it or correct its spelling" },
      ],
    });
    expect(world.runtimeManager.deploys).toHaveLength(before);
  });
});

describe("an app", () => {
  test("is stopped, started, restarted, scaled, rolled back and deleted", async () => {
    await deploy();
    expect((await call("POST", "/stop")).json.desiredState).toBe("stopped");
    expect((await call("POST", "/start")).json.desiredState).toBe("running");
    expect((await call("POST", "/restart")).json.generation).toBe(4);
    expect((await call("POST", "/scale", { body: { replicas: 3 } })).json.replicas).toBe(3);
    expect((await call("POST", "/rollback", { body: { toRevision: 1 } })).status).toBe(200);
    expect((await call("POST", "/rollback")).status).toBe(200);
    expect((await call("POST", "/rollback", { body: { toRevision: 9 } })).json.code).toBe("REVISION_NOT_FOUND");
    expect((await call("DELETE")).json.deleting).toBe(true);
  });

  test("that does not exist is not found, in each of its routes", async () => {
    for (const [method, suffix] of [
      ["GET", ""],
      ["GET", "/revisions"],
      ["POST", "/start"],
      ["DELETE", ""],
      ["GET", "/logs"],
    ] as const) {
      expect((await call(method, suffix)).json.code).toBe("APP_NOT_FOUND");
    }
  });

  test("is listed only with the environments that the caller may see", async () => {
    await deploy();
    const token = await world.createUser(`lister-${counter}`, [{ role: "viewer", environment: "sandbox" }]);
    expect((await world.api.call("GET", "/v1/apps", { token })).json.items).toEqual([]);
    expect((await world.api.call("GET", "/v1/apps?environment=production", { token })).json.code).toBe(
      "PERMISSION_DENIED",
    );
    const { json } = await world.api.call("GET", "/v1/apps?environment=production", { token: world.adminToken });
    expect(json.items.map((app: { name: string }) => app.name)).toContain(appName);
  });
});

describe("a list of apps", () => {
  test("of an environment or fabric that does not exist is an error, not an empty list", async () => {
    const list = (query: string, token = world.adminToken) => world.api.call("GET", `/v1/apps?${query}`, { token });
    expect((await list("environment=nowhere")).json).toMatchObject({ status: 404, code: "ENVIRONMENT_NOT_FOUND" });
    expect((await list("fabric=nowhere")).json).toMatchObject({ status: 404, code: "FABRIC_NOT_FOUND" });
    expect((await list("environment=sandbox")).json.items).toEqual([]);
  });

  test("hides what the caller may not see as it hides what is not there", async () => {
    const token = await world.createUser("narrow", [{ role: "viewer", environment: "sandbox" }]);
    const list = (query: string) => world.api.call("GET", `/v1/apps?${query}`, { token });
    for (const [hidden, absent] of [
      ["environment=production", "environment=nowhere"],
      ["fabric=edge", "fabric=nowhere"],
    ] as const) {
      const [one, other] = [await list(hidden), await list(absent)];
      expect(one.json).toMatchObject({ status: 403, code: "PERMISSION_DENIED" });
      expect(other.json.detail.replace("nowhere", hidden.split("=")[1])).toBe(one.json.detail);
    }
  });
});

describe("a conflict of two writes at a peer", () => {
  const conflict = () =>
    new DrawbridgeError({ kind: "aborted", code: "STORE_CONFLICT", message: "another was faster; try again" });

  test("is tried once more, and no oftener", async () => {
    await deploy();
    world.runtimeManager.failNext = conflict();
    expect((await call("POST", "/restart")).status).toBe(200);
    world.runtimeManager.failNext = conflict();
    world.runtimeManager.failAfter = conflict();
    expect((await call("POST", "/restart")).json).toMatchObject({
      status: 409,
      code: "STORE_CONFLICT",
      kind: "aborted",
    });
  });
});

test("a peer that is ready and works with less is told apart from one that is not ready", async () => {
  world.degradedPeers.add("runtime-manager");
  try {
    const { json } = await world.api.call("GET", "/v1/status", { token: world.adminToken });
    expect(json.ready).toBe(true);
    expect(json.services).toContainEqual({ service: "runtime-manager", ready: true, detail: "degraded" });
    expect(json.services).toContainEqual({ service: "activation", ready: true, detail: null });
  } finally {
    world.degradedPeers.clear();
  }
});

describe("a peer that is away", () => {
  test("is named with what it is for, and the answer says when to come back", async () => {
    await world.stopPeer("runtime-manager");
    try {
      const answer = await world.api.call("GET", "/v1/fabrics", { token: world.adminToken });
      expect(answer.status).toBe(503);
      expect(answer.json).toMatchObject({ code: "PEER_UNAVAILABLE", details: { service: "runtime-manager" } });
      expect(answer.json.detail).toContain("which keeps fabrics and what their apps should be");
      expect(answer.headers["retry-after"]).toBe("2");
      const { json } = await world.api.call("GET", "/v1/status", { token: world.adminToken });
      expect(json.ready).toBe(false);
      expect(json.services).toContainEqual({ service: "runtime-manager", ready: false, detail: "unreachable" });
      expect(json.services).toContainEqual({ service: "activation", ready: true, detail: null });
      expect(json.services).toContainEqual({ service: "management-api", ready: true, detail: null });
    } finally {
      await world.startPeer("runtime-manager");
    }
  });

  test("for a moment is waited for", async () => {
    await world.stopPeer("runtime-manager");
    const answer = world.api.call("GET", "/v1/fabrics", { token: world.adminToken });
    await world.startPeer("runtime-manager");
    expect((await answer).status).toBe(200);
  });
});
