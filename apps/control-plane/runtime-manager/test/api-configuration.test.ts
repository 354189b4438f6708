import { randomUUID } from "node:crypto";
import { connectBus, type Bus } from "@drawbridge/bus";
import { eventCodecs } from "@drawbridge/contracts";
import type { GateStatus } from "@drawbridge/contracts/runtime/v1/gate";
import { cryptoRandom, systemClock, type Component } from "@drawbridge/lifecycle";
import { createTestLogger } from "@drawbridge/testkit";
import { afterAll, beforeAll, expect, test } from "vitest";
import { addressOf, aDeploy, aFabric, startWorld, until, type Replica, type World } from "./harness.ts";
import { startScriptedApiManager, type Published, type ScriptedApiManager } from "./scripted-api-manager.ts";
import { aStatus } from "./simulated-agent.ts";

const suite = new AsyncDisposableStack();
let world: World;
let apiManager: ScriptedApiManager;
let one: Replica;
let other: Replica;
let bus: Bus & Component;
beforeAll(async () => {
  world = suite.use(await startWorld());
  apiManager = suite.use(await startScriptedApiManager(world.certAuthority.identitiesDir));
  const config = { HEARTBEAT_MS: 1_000, DEAD_AFTER_MS: 10_000, API_MANAGER_ADDRESS: apiManager.address };
  one = suite.use(await world.startReplica("replica-1", config));
  other = suite.use(await world.startReplica("replica-2", config));
  for (const replica of [one, other]) await until(async () => ((await replica.readyz()).ready ? true : undefined));
  bus = connectBus({
    url: world.nats.url,
    credentials: { reveal: () => world.nats.credentials },
    name: "api-manager-0",
    service: "api-manager",
    logger: createTestLogger().logger,
    clock: systemClock,
    random: cryptoRandom,
  });
  await bus.start(new AbortController().signal);
  suite.defer(() => bus.stop(AbortSignal.timeout(1_000)));
});
afterAll(() => suite.disposeAsync());

async function announce(fabricId: string, { revision, digest }: Published): Promise<void> {
  const type = "apis.configuration.published.v1";
  await bus.publishEvent({
    id: randomUUID(),
    type,
    scope: fabricId,
    occurredAt: new Date(),
    traceparent: "",
    payloadJson: JSON.stringify(eventCodecs[type].toJSON({ fabricId, revision, digest })),
  });
}

const manifestOf = (apis: readonly object[]): string => JSON.stringify({ name: "shop", version: "1.0.0", apis });
const orders = { name: "orders", version: "v1", basePath: "/api", resources: [{ method: "GET", path: "/orders" }] };
const boundToOrders = {
  apiName: "orders",
  apiVersion: "v1",
  basePath: "/api",
  resources: [{ method: "GET", path: "/orders" }],
};

test("a welcome and each heartbeat's answer name what gateways should enforce", async () => {
  const fabric = await aFabric(world, one);
  const { revision, digest } = apiManager.publish(fabric.fabricId, 7n);
  await using agent = await fabric.connect(one, { epoch: 1n });
  expect((await agent.next("welcome")).value.apiConfiguration).toEqual({ revision, digest });
  expect((await agent.heartbeat()).apiConfiguration).toEqual({ revision, digest });
});

test("before anything was published nothing is named", async () => {
  const fabric = await aFabric(world, one);
  await using agent = await fabric.connect(one, { epoch: 1n });
  expect((await agent.next("welcome")).value.apiConfiguration).toBeUndefined();
  expect((await agent.heartbeat()).apiConfiguration).toBeUndefined();
  await expect(agent.fetchConfiguration()).rejects.toMatchObject({ code: "API_CONFIGURATION_NOT_READY" });
});

test("a welcome does not wait for an api-manager that is slow; the word follows in a frame", async () => {
  const fabric = await aFabric(world, one);
  const { revision, digest } = apiManager.publish(fabric.fabricId, 1n);
  const held = Promise.withResolvers<void>();
  apiManager.slow = held.promise;
  try {
    await using agent = await fabric.connect(one, { epoch: 1n });
    expect((await agent.next("welcome")).value.apiConfiguration).toBeUndefined();
    held.resolve();
    expect((await agent.next("apiConfigurationChanged")).value).toEqual({ revision, digest });
  } finally {
    held.resolve();
    apiManager.slow = Promise.resolve();
  }
});

test("what is published is told by whichever replica holds the tunnel, at once", async () => {
  for (const holder of [one, other]) {
    const fabric = await aFabric(world, one);
    apiManager.publish(fabric.fabricId, 1n);
    await using agent = await fabric.connect(holder, { epoch: 1n });
    await agent.next("welcome");
    const next = apiManager.publish(fabric.fabricId, 2n);
    await announce(fabric.fabricId, next);
    const { value } = await agent.next("apiConfigurationChanged");
    expect(value).toEqual({ revision: 2n, digest: next.digest });
    expect((await agent.heartbeat()).apiConfiguration).toEqual(value);
  }
});

test("a lost event heals: the fabric of a bound app is asked for again", async () => {
  const fabric = await aFabric(world, one);
  await using agent = await fabric.connect(one, { epoch: 1n });
  expect((await agent.next("welcome")).value.apiConfiguration).toBeUndefined();
  await one.apps.deployApp(aDeploy(fabric, "heals-1", { manifestJson: manifestOf([orders]) }));
  const { digest } = apiManager.publish(fabric.fabricId, 3n);
  expect((await agent.next("apiConfigurationChanged")).value.digest).toBe(digest);
});

test("late news of a lower revision is not believed, a restored record of one is", async () => {
  const fabric = await aFabric(world, one);
  const before = apiManager.publish(fabric.fabricId, 4n);
  const now = apiManager.publish(fabric.fabricId, 5n);
  await using agent = await fabric.connect(one, { epoch: 1n });
  await agent.next("welcome");
  await announce(fabric.fabricId, before);
  const asked = apiManager.asked.length;
  await until(async () => (apiManager.asked.length > asked ? true : undefined));
  expect((await agent.heartbeat()).apiConfiguration?.digest).toBe(now.digest);
  const restored = apiManager.publish(fabric.fabricId, 2n);
  await announce(fabric.fabricId, restored);
  expect((await agent.next("apiConfigurationChanged")).value).toEqual({ revision: 2n, digest: restored.digest });
});

test("an agent fetches root and objects of its own fabric, within bounds", async () => {
  const fabric = await aFabric(world, one);
  const root = apiManager.publish(fabric.fabricId, 1n);
  const object = Buffer.from("a page");
  const digest = apiManager.store(object);
  await using agent = await fabric.connect(one, { epoch: 1n });
  await agent.next("welcome");
  expect(await agent.fetchConfiguration()).toEqual({
    notModified: false,
    mark: { revision: 1n, digest: root.digest },
    rootJws: root.rootJws,
  });
  expect(await agent.fetchConfiguration(root.digest)).toMatchObject({ notModified: true, rootJws: "" });
  expect(apiManager.asked.at(-1)).toBe(fabric.fabricId);
  expect((await agent.fetchObjects([digest])).objects).toEqual([object]);
  const unknown = Buffer.alloc(32);
  await expect(agent.fetchObjects([unknown])).rejects.toMatchObject({ code: "API_OBJECT_UNKNOWN" });
  for (const digests of [[], [Buffer.alloc(31)], Array.from({ length: 257 }, () => digest)]) {
    await expect(agent.fetchObjects(digests)).rejects.toMatchObject({ code: "API_OBJECTS_INVALID" });
  }
});

test("observed routes are told to api-manager under the fabric of the agent's certificate, within bounds (MGT 6)", async () => {
  const fabric = await aFabric(world, one);
  await using agent = await fabric.connect(one, { epoch: 1n });
  await agent.next("welcome");
  const route = { method: "GET", template: "/orders/{}" };
  const routes = { environment: "prod", name: "orders", version: "v1", routes: [route] };
  await agent.reportRoutes([routes]);
  expect(apiManager.routeReports).toEqual([{ fabricId: fabric.fabricId, apis: [routes] }]);
  const invalid = { code: "ROUTES_INVALID" };
  await expect(agent.reportRoutes([])).rejects.toMatchObject(invalid);
  await expect(agent.reportRoutes(Array.from({ length: 101 }, () => routes))).rejects.toMatchObject(invalid);
  const tooMany = { ...routes, routes: Array.from({ length: 201 }, () => route) };
  await expect(agent.reportRoutes([tooMany])).rejects.toMatchObject(invalid);
  expect(apiManager.routeReports).toHaveLength(1);
});

test("one fabric has no more than four requests for its configuration under way", async () => {
  const fabric = await aFabric(world, one);
  apiManager.publish(fabric.fabricId, 1n);
  await using agent = await fabric.connect(one, { epoch: 1n });
  await agent.next("welcome");
  const held = Promise.withResolvers<void>();
  apiManager.slow = held.promise;
  try {
    const asked = Array.from({ length: 5 }, () => agent.fetchConfiguration());
    await expect(
      Promise.any(
        asked.map((one_) =>
          one_.then(
            () => Promise.reject(new Error("answered")),
            (error: unknown) => error,
          ),
        ),
      ),
    ).resolves.toMatchObject({
      code: "API_OBJECTS_BUSY",
    });
    held.resolve();
    expect((await Promise.allSettled(asked)).filter(({ status }) => status === "fulfilled")).toHaveLength(4);
  } finally {
    held.resolve();
    apiManager.slow = Promise.resolve();
  }
});

test("only api-manager learns what manifests declare: of the wish, and of a revision that still serves", async () => {
  const fabric = await aFabric(world, one);
  const bindings = await one.bindingsAs("api-manager");
  const list = async () => (await bindings.listApiBindings({ fabricId: fabric.fabricId })).bindings;
  const { app } = await one.apps.deployApp(aDeploy(fabric, "bound-1", { manifestJson: manifestOf([orders]) }));
  await one.apps.deployApp(aDeploy(fabric, "unbound-1", { manifestJson: manifestOf([]) }));
  const appId = app?.spec?.appId ?? "";
  const bound = { appId, appName: "bound-1", environment: "prod", ...boundToOrders };
  expect(await bindings.listApiBindings({ fabricId: fabric.fabricId })).toMatchObject({
    organisation: "acme",
    bindings: [bound],
  });
  await using agent = await fabric.connect(one, { epoch: 1n });
  await agent.next("welcome");
  await agent.report({ apps: [aStatus(appId, { observedGeneration: 1n, servingRevision: 1n })] });
  const next = { ...orders, version: "v2", resources: [] };
  await one.apps.deployApp(aDeploy(fabric, "bound-1", { letter: "b", manifestJson: manifestOf([next]) }));
  const afterwards = await list();
  expect(afterwards).toHaveLength(2);
  expect(afterwards).toEqual(expect.arrayContaining([bound, { ...bound, apiVersion: "v2", resources: [] }]));
  await agent.report({ apps: [aStatus(appId, { observedGeneration: 2n, servingRevision: 2n })] });
  expect(await list()).toEqual([{ ...bound, apiVersion: "v2", resources: [] }]);
  await expect(
    (await one.bindingsAs("management-api")).listApiBindings({ fabricId: fabric.fabricId }),
  ).rejects.toMatchObject({
    kind: "permission_denied",
  });
  await expect(bindings.listApiBindings({ fabricId: randomUUID() })).rejects.toMatchObject({
    code: "FABRIC_NOT_FOUND",
  });
  expect((await one.apps.getApp({ app: addressOf("bound-1") })).app?.spec?.appId).toBe(appId);
});

test("fabrics with a bound app are listed by page", async () => {
  const bindings = await one.bindingsAs("api-manager");
  const fabrics = [await aFabric(world, one), await aFabric(world, one), await aFabric(world, one)];
  const bound = fabrics.slice(0, 2);
  for (const [index, fabric] of bound.entries()) {
    await one.apps.deployApp(aDeploy(fabric, `paged-${index}`, { manifestJson: manifestOf([orders]) }));
  }
  const found: string[] = [];
  let pageToken = "";
  do {
    const page = await bindings.listBoundFabrics({ pageSize: 1, pageToken });
    expect(page.fabricIds.length).toBeLessThanOrEqual(1);
    found.push(...page.fabricIds);
    pageToken = page.nextPageToken;
  } while (pageToken !== "");
  expect(found).toEqual(found.toSorted());
  expect(found).toEqual(expect.arrayContaining(bound.map(({ fabricId }) => fabricId)));
  expect(found).not.toContain(fabrics[2]?.fabricId);
});

test("gates that an agent reports are stored with its status and given out, within bounds (GK 8)", async () => {
  const fabric = await aFabric(world, one);
  const { app } = await one.apps.deployApp(aDeploy(fabric, "gated-1", { manifestJson: manifestOf([orders]) }));
  const appId = app?.spec?.appId ?? "";
  await using agent = await fabric.connect(one, { epoch: 1n });
  await agent.next("welcome");
  const since = new Date("2026-11-22T08:00:00Z");
  const gate: GateStatus = {
    gatewayId: "gateway-0",
    apiName: "orders",
    apiVersion: "v1",
    basePath: "/api",
    deployment: "sha256:one",
    state: "policy_error",
    since,
    level: "strict",
    levelSource: "environment",
    reason: "POLICY_INVALID",
    message: "the policy limits of orders cannot be applied: period is missing",
    appliedRevision: 3n,
    desiredRevision: 4n,
    policies: 2,
    contracts: 1,
  };
  await agent.report({ apps: [aStatus(appId, { gates: [gate] })] });
  const read = async () => (await one.apps.getApp({ app: addressOf("gated-1") })).app?.status?.gates;
  expect(await read()).toEqual([gate]);
  const many = Array.from({ length: 1_700 }, (_, index) => ({
    ...gate,
    message: index === 0 ? "x\0".repeat(1_100) : "",
    since: undefined,
    desiredRevision: 2n ** 64n - 1n,
  }));
  await agent.report({ apps: [aStatus(appId, { gates: many })] });
  const kept = await read();
  expect(kept).toHaveLength(1_600);
  expect(kept?.[0]).toMatchObject({ desiredRevision: 2n ** 63n - 1n, since: expect.any(Date) });
  expect(kept?.[0]?.message.length).toBeLessThanOrEqual(2_000);
  await agent.report({ apps: [aStatus(appId)] });
  expect(await read()).toEqual([]);
});
