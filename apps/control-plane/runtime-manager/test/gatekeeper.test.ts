import { randomUUID } from "node:crypto";
import { afterAll, beforeAll, expect, test } from "vitest";
import { addressOf, aDeploy, aFabric, aRequest, startWorld, until, type Replica, type World } from "./harness.ts";

const suite = new AsyncDisposableStack();
let world: World;
let replica: Replica;
let settings: Awaited<ReturnType<Replica["gatekeeperAs"]>>;
beforeAll(async () => {
  world = suite.use(await startWorld());
  replica = suite.use(await world.startReplica());
  await until(async () => ((await replica.readyz()).ready ? true : undefined));
  settings = await replica.gatekeeperAs("management-api");
});
afterAll(() => suite.disposeAsync());

const manifestOf = (
  runtimeVersion: string | undefined,
  apis: readonly object[] = [{ name: "orders", version: "v1" }],
) => JSON.stringify({ name: "shop", version: "1.0.0", runtime: { command: ["node"], runtimeVersion }, apis });

async function specOf(name: string) {
  const { app } = await replica.apps.getApp({ app: addressOf(name) });
  return app?.spec;
}

const inEnvironment = { scope: { $case: "environment", value: "prod" } } as const;
const onFabric = (value: string) => ({ scope: { $case: "fabric", value } }) as const;
const setEnvironment = (value: string) => settings.setGatekeeper({ org: "acme", scope: inEnvironment, value });

test("the nearest level counts: app, then environment, then fabric; and says whose it is (GK 7)", async () => {
  const fabric = await aFabric(world, replica);
  const deploy = (gatekeeper?: string) =>
    replica.apps.deployApp(aDeploy(fabric, "near-1", { manifestJson: manifestOf("4.4.0"), gatekeeper }));
  await deploy();
  expect(await specOf("near-1")).toMatchObject({ gatekeeper: "", gatekeeperSource: "" });
  await settings.setGatekeeper({ org: "acme", scope: onFabric(fabric.name), value: "disabled" });
  expect(await specOf("near-1")).toMatchObject({ gatekeeper: "disabled", gatekeeperSource: "fabric" });
  await setEnvironment("flexible");
  expect(await specOf("near-1")).toMatchObject({ gatekeeper: "flexible", gatekeeperSource: "environment" });
  await deploy("strict");
  expect(await specOf("near-1")).toMatchObject({ gatekeeper: "strict", gatekeeperSource: "app" });
  await deploy(); // absent keeps it
  expect(await specOf("near-1")).toMatchObject({ gatekeeper: "strict", revision: 1n });
  await deploy("");
  expect(await specOf("near-1")).toMatchObject({ gatekeeper: "flexible", gatekeeperSource: "environment" });
  expect((await settings.listGatekeeperSettings({ org: "acme" })).settings).toEqual([
    { kind: "environment", name: "prod", value: "flexible" },
    { kind: "fabric", name: fabric.fabricId, value: "disabled" },
  ]);
  await setEnvironment("");
  await settings.setGatekeeper({ org: "acme", scope: onFabric(fabric.fabricId), value: "" });
  expect(await specOf("near-1")).toMatchObject({ gatekeeper: "", gatekeeperSource: "" });
});

test("a change reaches the fabric at once and replaces nothing there: the wish of each app is the same (GK 7)", async () => {
  const fabric = await aFabric(world, replica);
  const { app } = await replica.apps.deployApp(aDeploy(fabric, "told-1", { manifestJson: manifestOf("4.4.0") }));
  await using agent = await fabric.connect(replica, { epoch: 1n });
  const { value: welcome } = await agent.next("welcome");
  await settings.setGatekeeper({ org: "acme", scope: onFabric(fabric.name), value: "strict" });
  const { value: notified } = await agent.next("notify");
  expect(notified.generation).toBe(welcome.desiredGeneration + 1n);
  const { snapshot, digest } = await agent.fetch();
  expect(digest).toBe(notified.digest);
  expect(snapshot.apps).toEqual([{ ...app?.spec, gatekeeper: "strict", gatekeeperSource: "fabric" }]);
});

test("a level that is not valid for the runtime version is refused, whoever sets it, and nothing changes (GK 6)", async () => {
  const fabric = await aFabric(world, replica);
  const deploy = (runtimeVersion: string, gatekeeper?: string) =>
    replica.apps.deployApp(aDeploy(fabric, "valid-1", { manifestJson: manifestOf(runtimeVersion), gatekeeper }));
  await expect(deploy("4.0.0", "flexible")).rejects.toMatchObject({
    code: "GATEKEEPER_INVALID",
    message: expect.stringContaining("valid are strict, disabled"),
  });
  await deploy("4.0.0");
  await expect(setEnvironment("flexible")).rejects.toMatchObject({ code: "GATEKEEPER_INVALID" });
  await expect(setEnvironment("lenient")).rejects.toMatchObject({ code: "GATEKEEPER_INVALID" });
  expect(await specOf("valid-1")).toMatchObject({ gatekeeper: "" });
  await deploy("4.1.0", "flexible").catch(() => undefined);
  await replica.apps.deployApp(
    aDeploy(fabric, "valid-1", { letter: "b", manifestJson: manifestOf("4.1.0"), gatekeeper: "flexible" }),
  );
  await expect(replica.apps.rollbackApp({ ...aRequest("valid-1"), toRevision: 1n })).rejects.toMatchObject({
    code: "GATEKEEPER_INVALID",
  });
  // An app without APIs has no gates: what is set for its environment does not matter to it.
  const other = await aFabric(world, replica);
  await replica.apps.deployApp(aDeploy(other, "no-apis-1", { manifestJson: manifestOf("3.7.0", []) }));
  await settings.setGatekeeper({ org: "acme", scope: onFabric(other.name), value: "strict" });
  await expect(
    settings.setGatekeeper({ org: "acme", scope: onFabric(randomUUID()), value: "strict" }),
  ).rejects.toMatchObject({ code: "FABRIC_NOT_FOUND" });
});
