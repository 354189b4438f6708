import { randomUUID } from "node:crypto";
import { setTimeout as pause } from "node:timers/promises";
import { connectBus, type Bus } from "@drawbridge/bus";
import { ApiServiceClient } from "@drawbridge/contracts/apis/v1/api_service";
import { ConfigurationServiceClient } from "@drawbridge/contracts/apis/v1/configuration_service";
import { isDrawbridgeError } from "@drawbridge/errors";
import { uuidV7Ids } from "@drawbridge/lifecycle";
import { sql } from "@drawbridge/store";
import { createTestLogger } from "@drawbridge/testkit";
import { afterAll, beforeAll, expect, test } from "vitest";
import { collectGarbage } from "../src/store/collect-garbage.ts";
import { fetchTree } from "./support/tree.ts";
import { aBinding, aKey, asked, startWorld, type Replica, type World } from "./support/world.ts";

const forever = new AbortController().signal;
let world: World;
let replica: Replica;
let bus: Bus;

beforeAll(async () => {
  world = await startWorld();
  replica = await world.start();
  bus = connectBus({
    url: world.nats.url,
    credentials: world.nats.credentials,
    name: "test",
    logger: createTestLogger().logger,
  });
  await bus.start(forever);
});
afterAll(async () => {
  await bus.stop(forever);
  await replica[Symbol.asyncDispose]();
  await world[Symbol.asyncDispose]();
});

async function eventually<T>(look: () => Promise<T>, until: (value: T) => boolean): Promise<T> {
  const deadline = Date.now() + 20_000;
  for (;;) {
    const value = await look();
    if (until(value)) return value;
    if (Date.now() > deadline) throw new Error(`waited in vain, last seen: ${String(value)}`);
    await pause(20);
  }
}

const rootOf = (fabricId: string, from: Pick<Replica, "configuration"> = replica) =>
  from.configuration.getRoot({ fabricId, haveDigest: "" });

/** As runtime-manager announces a deployment. */
function announceDeployment(fabricId: string, id: string = uuidV7Ids.next()): Promise<unknown> {
  return bus.publishEvent({
    id,
    type: "runtime.deployment.desired.v1",
    scope: fabricId,
    occurredAt: new Date(),
    traceparent: "",
    payloadJson: JSON.stringify({
      fabricId,
      appId: randomUUID(),
      appName: "orders-app",
      environment: "production",
      generation: "1",
      revision: "1",
      action: "deploy",
      requestedBy: "alice",
    }),
  });
}

/** A fabric whose one app is bound to these APIs, once its tree is there. */
async function aBoundFabric(...names: readonly string[]): Promise<string> {
  const fabricId = randomUUID();
  world.bindings.ofFabric.set(
    fabricId,
    names.map((name) => aBinding(aKey(name))),
  );
  await announceDeployment(fabricId);
  await eventually(
    () => rootOf(fabricId).catch(() => undefined),
    (root) => root !== undefined,
  );
  return fabricId;
}

async function anApi(name: string, autoApprove = true): Promise<void> {
  await replica.apis.createApi({ ...asked(), key: aKey(name), description: "", openapi: "", autoApprove });
}

async function aContract(name: string, client: string): Promise<string> {
  const request = { ...asked(), api: aKey(name), client, tier: "" };
  return (await replica.contracts.requestContract(request)).contract?.contractId ?? "";
}

async function aClient(name: string): Promise<{ readonly clientId: string; readonly secret: string }> {
  const { client, clientSecret } = await replica.clients.createClient({ ...asked(), name, description: "" });
  return { clientId: client?.clientId ?? "", secret: clientSecret };
}

const codeOf = (call: Promise<unknown>): Promise<string> =>
  call.then(
    () => "no error",
    (error: unknown) => (isDrawbridgeError(error) ? error.code : String(error)),
  );

test("a fabric that nothing was published for is told to come again", async () => {
  expect(await codeOf(rootOf(randomUUID()))).toBe("API_CONFIGURATION_NOT_READY");
});

test("a binding to an API that does not exist is in the tree without a document, and gets one when the API is made", async () => {
  const fabricId = await aBoundFabric("late");
  const before = await fetchTree(world.ca, replica, fabricId);
  expect([...before.apis]).toEqual([["late:v1@production", undefined]]);
  await anApi("late");
  const after = await fetchTree(world.ca, replica, fabricId);
  expect(after.revision).toBe(before.revision + 1n);
  expect(after.apis.get("late:v1@production")?.document).toMatchObject({ name: "late", revision: 1n, policies: [] });
});

test("a contract that is approved is in the next tree, one that is revoked out of the one after", async () => {
  await anApi("contracts");
  const fabricId = await aBoundFabric("contracts");
  const { clientId } = await aClient("shop");
  const contractId = await aContract("contracts", "shop");
  const with1 = await fetchTree(world.ca, replica, fabricId);
  expect(with1.apis.get("contracts:v1@production")?.contracts).toMatchObject([{ clientId, clientName: "shop" }]);
  await replica.contracts.revokeContract({ ...asked(), contractId, reason: "left" });
  const without = await fetchTree(world.ca, replica, fabricId);
  expect(without.apis.get("contracts:v1@production")).toMatchObject({ contracts: [], document: { contractCount: 0 } });
  expect(without.revision).toBe(with1.revision + 1n);
});

test("every change is announced with the revision and digest that the root then has", async () => {
  await anApi("announced");
  const fabricId = await aBoundFabric("announced");
  const heard: { revision: bigint; digest: string }[] = [];
  const subscription = bus.subscribe(`drawbridge.apis.configuration.published.v1.${fabricId}`, ({ data }) => {
    const { revision, digest } = JSON.parse(Buffer.from(data).toString());
    heard.push({ revision: BigInt(revision), digest });
  });
  await subscription.ready;
  await aClient("announcer");
  await aContract("announced", "announcer");
  await eventually(
    async () => heard.length,
    (count) => count === 1,
  );
  const { revision, digest } = await rootOf(fabricId);
  expect(heard).toEqual([{ revision, digest }]);
  await subscription.close();
});

test("a change of one API leaves the trees of fabrics that are not bound to it as they are", async () => {
  await anApi("mine");
  await anApi("theirs");
  const [mine, theirs] = [await aBoundFabric("mine"), await aBoundFabric("theirs")];
  const before = await rootOf(mine);
  await aClient("theirs-only");
  await aContract("theirs", "theirs-only");
  expect((await rootOf(mine)).digest).toBe(before.digest);
  expect((await rootOf(theirs)).revision).toBe(2n);
});

test("an object is given only to a fabric whose current or previous tree holds it", async () => {
  await anApi("held");
  await anApi("other");
  const [fabricId, stranger] = [await aBoundFabric("held"), await aBoundFabric("other")];
  await aClient("held-1");
  await aContract("held", "held-1");
  const first = await fetchTree(world.ca, replica, fabricId);
  await aClient("held-2");
  await aContract("held", "held-2");
  const second = await fetchTree(world.ca, replica, fabricId);
  const ask = (who: string, digests: ReadonlySet<string>) =>
    codeOf(
      replica.configuration.getObjects({
        fabricId: who,
        digests: [...digests].map((digest) => Buffer.from(digest, "hex")),
      }),
    );
  expect(await ask(stranger, second.digests)).toBe("API_OBJECT_UNKNOWN");
  expect(await ask(fabricId, first.digests)).toBe("no error");
  // An hour later nobody needs more than the two trees.
  const later = new Date(Date.now() + 3_600_000);
  await collectGarbage(world.store, later);
  expect(await ask(fabricId, first.digests)).toBe("no error");
  await aClient("held-3");
  await aContract("held", "held-3");
  await collectGarbage(world.store, later);
  expect(await ask(fabricId, second.digests)).toBe("no error");
  const gone = new Set([...first.digests].filter((digest) => !second.digests.has(digest)));
  expect(await ask(fabricId, gone)).toBe("API_OBJECT_UNKNOWN");
  await fetchTree(world.ca, replica, fabricId);
});

test("an app that gives its binding up takes the API out of the tree, and its objects after the next change", async () => {
  await anApi("left");
  await anApi("stays");
  const fabricId = await aBoundFabric("left", "stays");
  const before = await fetchTree(world.ca, replica, fabricId);
  world.bindings.ofFabric.set(fabricId, [aBinding(aKey("stays"))]);
  await announceDeployment(fabricId);
  await eventually(
    () => rootOf(fabricId),
    ({ revision }) => revision === before.revision + 1n,
  );
  expect([...(await fetchTree(world.ca, replica, fabricId)).apis.keys()]).toEqual(["stays:v1@production"]);
  await aClient("stays-1");
  await aContract("stays", "stays-1");
  await collectGarbage(world.store, new Date(Date.now() + 3_600_000));
  const document = before.apis.get("left:v1@production")?.document;
  expect(document).toBeDefined();
  const left = [...before.digests].map((digest) => Buffer.from(digest, "hex"));
  expect(await codeOf(replica.configuration.getObjects({ fabricId, digests: left }))).toBe("API_OBJECT_UNKNOWN");
});

test("an event that comes twice is handled once, and what it says is not believed but asked", async () => {
  const fabricId = await aBoundFabric("asked");
  const { questions } = world.bindings;
  const before = questions.filter((id) => id === fabricId).length;
  const id = uuidV7Ids.next();
  await announceDeployment(fabricId, id);
  await eventually(
    async () => questions.filter((one) => one === fabricId).length,
    (count) => count === before + 1,
  );
  expect((await rootOf(fabricId)).revision).toBe(1n);
});

test("a fabric that its owner says is gone is forgotten", async () => {
  const fabricId = await aBoundFabric("forgotten");
  world.bindings.ofFabric.delete(fabricId);
  await announceDeployment(fabricId);
  await eventually(
    () => codeOf(rootOf(fabricId)),
    (code) => code === "API_CONFIGURATION_NOT_READY",
  );
});

test("a lost event is made up for by asking from time to time", async () => {
  const fabricId = randomUUID();
  world.bindings.ofFabric.set(fabricId, [aBinding(aKey("unheard"))]);
  await using other = await world.start({ reconcileSeconds: 1 });
  await eventually(
    () => codeOf(rootOf(fabricId, other)),
    (code) => code === "no error",
  );
});

test("revision, digest and objects are the same on every replica and after a restart", async () => {
  await anApi("same");
  const fabricId = await aBoundFabric("same");
  const here = await fetchTree(world.ca, replica, fabricId);
  await using other = await world.start();
  const there = await fetchTree(world.ca, other, fabricId);
  expect([there.revision, there.digest, there.digests]).toEqual([here.revision, here.digest, here.digests]);
  const known = await other.configuration.getRoot({ fabricId, haveDigest: here.digest });
  expect(known).toMatchObject({ notModified: true, rootJws: "", digest: here.digest });
});

test("after a restore from a backup, with a new incarnation, every root is another one, so that none is taken for old", async () => {
  await anApi("restored");
  const fabricId = await aBoundFabric("restored");
  const before = await fetchTree(world.ca, replica, fabricId);
  await sql`UPDATE incarnation SET incarnation_id = gen_random_uuid()`.execute(world.store.db); // as docs/operations.md says
  const after = await fetchTree(world.ca, replica, fabricId);
  expect(after.revision).toBe(before.revision);
  expect(after.digest).not.toBe(before.digest);
  expect(after.root.incarnationId).not.toBe(before.root.incarnationId);
  // Between two incarnations gateways go by the time; another change is not needed for it.
  expect(after.root.issuedAt?.getTime()).toBeGreaterThan(before.root.issuedAt?.getTime() ?? Infinity);
  expect((await fetchTree(world.ca, replica, fabricId)).digest).toBe(after.digest);
  expect(after.digests).toEqual(before.digests);
});

test("saves at the same time, on two replicas and several fabrics, are all in the trees afterwards", async () => {
  await anApi("busy-1");
  await anApi("busy-2");
  const fabrics = [await aBoundFabric("busy-1"), await aBoundFabric("busy-2"), await aBoundFabric("busy-1", "busy-2")];
  await using other = await world.start();
  const clients = await Promise.all(Array.from({ length: 12 }, (_, index) => aClient(`busy-${index}`)));
  await Promise.all(
    clients.flatMap(({ clientId }, index) =>
      ["busy-1", "busy-2"].map((name) =>
        (index % 2 === 0 ? replica : other).contracts.requestContract({
          ...asked(),
          api: aKey(name),
          client: clientId,
          tier: "",
        }),
      ),
    ),
  );
  const all = clients.map(({ clientId }) => clientId).toSorted();
  for (const fabricId of fabrics) {
    const { apis } = await fetchTree(world.ca, replica, fabricId);
    for (const api of apis.values()) expect(api?.contracts.map(({ clientId }) => clientId).toSorted()).toEqual(all);
  }
  expect((await rootOf(fabrics[2] ?? "")).revision).toBe(1n + 24n);
});

test("a deleted API stays in the tree without a document, and is bound again when it is made again", async () => {
  await anApi("reborn");
  const fabricId = await aBoundFabric("reborn");
  expect(await codeOf(replica.apis.deleteApi({ ...asked(), key: aKey("reborn"), force: false }))).toBe("API_BOUND");
  await replica.apis.deleteApi({ ...asked(), key: aKey("reborn"), force: true });
  expect([...(await fetchTree(world.ca, replica, fabricId)).apis]).toEqual([["reborn:v1@production", undefined]]);
  await anApi("reborn");
  const { apis } = await fetchTree(world.ca, replica, fabricId);
  expect(apis.get("reborn:v1@production")?.document.name).toBe("reborn");
});

test("only runtime-manager may ask for configuration, only management-api may change it", async () => {
  const asManagement = await replica.as(ConfigurationServiceClient, "management-api");
  expect(await codeOf(asManagement.getRoot({ fabricId: randomUUID(), haveDigest: "" }))).toBe("CALLER_NOT_ALLOWED");
  const asRuntimeManager = await replica.as(ApiServiceClient, "runtime-manager");
  const list = { org: "acme", environments: [], name: "", pageSize: 0, pageToken: "" };
  expect(await codeOf(asRuntimeManager.listApis(list))).toBe("CALLER_NOT_ALLOWED");
});
