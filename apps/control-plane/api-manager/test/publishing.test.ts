import { randomUUID } from "node:crypto";
import { setTimeout as pause } from "node:timers/promises";
import { afterAll, beforeAll, expect, test } from "vitest";
import { fetchTree } from "./support/tree.ts";
import { aBinding, aKey, asked, startWorld, type Replica, type World } from "./support/world.ts";

let world: World;
let replica: Replica;

beforeAll(async () => {
  world = await startWorld();
  replica = await world.start({ reconcileSeconds: 1 });
});
afterAll(async () => {
  await replica[Symbol.asyncDispose]();
  await world[Symbol.asyncDispose]();
});

async function eventually<T>(look: () => Promise<T>, until: (value: T) => boolean): Promise<T> {
  for (;;) {
    const value = await look();
    if (until(value)) return value;
    await pause(50);
  }
}

/** A fabric whose one app is bound to the API, once its tree is there. */
async function aBoundFabric(name: string): Promise<string> {
  const fabricId = randomUUID();
  world.bindings.ofFabric.set(fabricId, [aBinding(aKey(name))]);
  await eventually(
    () => replica.configuration.getRoot({ fabricId, haveDigest: "" }).catch(() => undefined),
    (root) => root !== undefined,
  );
  return fabricId;
}

test("a binding to an API that does not exist is in the tree without a document, and gets one when the API is made", async () => {
  const fabricId = await aBoundFabric("late");
  const before = await fetchTree(world.ca, replica, fabricId);
  expect([...before.apis]).toEqual([["late:v1@production", undefined]]);
  await replica.apis.createApi({ ...asked(), key: aKey("late"), description: "", openapi: "", autoApprove: false });
  const after = await fetchTree(world.ca, replica, fabricId);
  expect(after.revision).toBe(before.revision + 1n);
  expect(after.apis.get("late:v1@production")?.document).toMatchObject({ name: "late", revision: 1n, policies: [] });
});

test("a contract that is approved and revoked is in the next tree, and out of the one after", async () => {
  const key = aKey("contracts");
  await replica.apis.createApi({ ...asked(), key, description: "", openapi: "", autoApprove: true });
  const fabricId = await aBoundFabric("contracts");
  const { client } = await replica.clients.createClient({ ...asked(), name: "shop", description: "" });
  const { contract } = await replica.contracts.requestContract({ ...asked(), api: key, client: "shop", tier: "" });
  const with1 = await fetchTree(world.ca, replica, fabricId);
  expect(with1.apis.get("contracts:v1@production")?.contracts).toMatchObject([
    { clientId: client?.clientId, clientName: "shop" },
  ]);
  await replica.contracts.revokeContract({ ...asked(), contractId: contract?.contractId ?? "", reason: "left" });
  const without = await fetchTree(world.ca, replica, fabricId);
  expect(without.apis.get("contracts:v1@production")?.contracts).toEqual([]);
  expect(without.revision).toBe(with1.revision + 1n);
});
