import { afterAll, beforeAll, expect, test } from "vitest";
import { aDeploy, aFabric, aRequest, startWorld, type Replica, type World } from "./harness.ts";

const suite = new AsyncDisposableStack();
let world: World;
let replica: Replica;
beforeAll(async () => {
  world = suite.use(await startWorld());
  replica = suite.use(await world.startReplica());
});
afterAll(() => suite.disposeAsync());

const routesOf = (...hosts: readonly string[]) => ({
  routes: { routes: hosts.map((host) => ({ host, path: "/orders" })) },
});

test("a host and path belong to one app of a fabric, and the refusal names it; deleted or without it they are free", async () => {
  const fabric = await aFabric(world, replica);
  const { app } = await replica.apps.deployApp(aDeploy(fabric, "host-1", routesOf("API.example.com", "b.example.com")));
  expect(app?.spec?.routes).toEqual([
    { host: "api.example.com", path: "/orders" },
    { host: "b.example.com", path: "/orders" },
  ]);
  const second = (...hosts: readonly string[]) => replica.apps.deployApp(aDeploy(fabric, "host-2", routesOf(...hosts)));
  await expect(second("c.example.com", "api.example.com")).rejects.toMatchObject({
    code: "ROUTE_TAKEN",
    message: expect.stringContaining('api.example.com/orders is served by the app "host-1"') as string,
  });
  await second("c.example.com");
  await replica.apps.deployApp(aDeploy(fabric, "host-1", routesOf("b.example.com")));
  await second("api.example.com");
  // What is not given stays, and another fabric's hosts are its own.
  const kept = await replica.apps.deployApp(aDeploy(fabric, "host-1", { letter: "b" }));
  expect(kept.app?.spec?.routes).toEqual([{ host: "b.example.com", path: "/orders" }]);
  await replica.apps.deployApp(aDeploy(await aFabric(world, replica), "host-3", routesOf("api.example.com")));
});

test("of two apps that claim a host in the same instant one has it", async () => {
  const fabric = await aFabric(world, replica);
  const outcomes = await Promise.allSettled(
    ["at-once-1", "at-once-2", "at-once-3"].map((name) =>
      replica.apps.deployApp(aDeploy(fabric, name, routesOf("at-once.example.com"))),
    ),
  );
  expect(outcomes.map(({ status }) => status).toSorted()).toEqual(["fulfilled", "rejected", "rejected"]);
});

test("an app takes no requests from one of another environment, and what takes none is its own to claim", async () => {
  const fabric = await aFabric(world, replica);
  const deploy = (name: string, environment: string, ...routes: readonly [host: string, path: string][]) => {
    const asked = { routes: routes.map(([host, path]) => ({ host, path })) };
    return replica.apps.deployApp(aDeploy(fabric, name, { app: { org: "acme", environment, name }, routes: asked }));
  };
  await deploy("env-1", "prod", ["one.example", "/"], ["two.example", "/api"], ["*.three.example", "/"]);
  for (const [host, path] of [
    ["one.example", "/orders"],
    ["two.example", "/api/v1"],
    ["a.three.example", "/orders"],
    ["*.three.example", "/orders"],
  ] as const) {
    await expect(deploy("env-2", "dev", [host, path]), host + path).rejects.toMatchObject({
      code: "ROUTE_TAKEN",
      message: expect.stringMatching(/would take requests from the app "env-1" in prod, which has .*example/) as string,
    });
  }
  await deploy("env-3", "prod", ["one.example", "/orders"], ["a.three.example", "/orders"]);
  await deploy("env-2", "dev", ["two.example", "/apis"], ["three.example", "/"], ["a.b.three.example", "/"]);
  // What was there before a wildcard of another environment goes on, also when its app gets another host.
  await deploy("env-4", "prod", ["*.b.three.example", "/"]);
  await deploy("env-2", "dev", ["a.b.three.example", "/"], ["four.example", "/"]);
});

test("a host that is none is refused", async () => {
  const fabric = await aFabric(world, replica);
  await expect(replica.apps.deployApp(aDeploy(fabric, "none-1", routesOf("a_b")))).rejects.toMatchObject({
    code: "ROUTE_INVALID",
  });
});

test("with the app its hosts are free, before its fabric has removed it", async () => {
  const fabric = await aFabric(world, replica);
  await replica.apps.deployApp(aDeploy(fabric, "gone-1", routesOf("gone.example.com")));
  await replica.apps.deleteApp(aRequest("gone-1"));
  const { app } = await replica.apps.deployApp(aDeploy(fabric, "gone-2", routesOf("gone.example.com")));
  expect(app?.spec?.routes).toHaveLength(1);
});
