import { afterAll, beforeAll, expect, test } from "vitest";
import { aDeploy, aFabric, startWorld, type Replica, type World } from "./harness.ts";

const suite = new AsyncDisposableStack();
let world: World;
let replica: Replica;
beforeAll(async () => {
  world = suite.use(await startWorld());
  replica = suite.use(await world.startReplica());
});
afterAll(() => suite.disposeAsync());

const digest = (letter: string) => `sha256:${letter.repeat(64)}`;
const artefact = (letter: string) => ({
  digest: digest(letter),
  sizeBytes: 10n,
  path: `/v1/configurations/${digest(letter)}`,
});

test("names what the history of an app refers to, bundles and configurations, also while the app is being deleted", async () => {
  const references = await replica.referencesAs("config-resolver");
  const fabric = await aFabric(world, replica);
  await replica.apps.deployApp(aDeploy(fabric, "referred-1", { letter: "c", configuration: artefact("e") }));
  await replica.apps.deployApp(aDeploy(fabric, "referred-1", { letter: "d" }));
  const ask = async () =>
    (await references.filterReferenced({ digests: ["b", "c", "d", "e"].map(digest) })).referenced.toSorted();
  const all = ["c", "d", "e"].map(digest);
  expect(await ask()).toEqual(all);
  const app = { org: "acme", environment: "prod", name: "referred-1" };
  await replica.apps.deleteApp({ requestId: crypto.randomUUID(), app, requestedBy: "alice" });
  expect(await ask()).toEqual(all);
  await replica.fabrics.deleteFabric({ org: "acme", fabric: fabric.name, force: true });
  expect(await ask()).toEqual([]);
});

test("tells config-resolver only, and 500 at once at most", async () => {
  const stranger = await replica.referencesAs("management-api");
  await expect(stranger.filterReferenced({ digests: [] })).rejects.toMatchObject({ kind: "permission_denied" });
  const references = await replica.referencesAs("config-resolver");
  await expect(references.filterReferenced({ digests: Array(501).fill(digest("a")) })).rejects.toMatchObject({
    code: "TOO_MANY_DIGESTS",
  });
  await expect(references.filterReferenced({ digests: ["../../etc"] })).rejects.toMatchObject({
    code: "ARTEFACT_INVALID",
  });
});
