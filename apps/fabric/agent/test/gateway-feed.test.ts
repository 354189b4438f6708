import { stat } from "node:fs/promises";
import { gatewayDirectory, gatewayPaths } from "@drawbridge/app-routes";
import { createTestCa } from "@drawbridge/testkit";
import { expect, test } from "vitest";
import { aGate, openGateway } from "./support/scripted-gateway.ts";
import { aSpec, startScriptedRuntimeManager } from "./support/scripted-runtime-manager.ts";
import { fabricId, openFabric } from "./support/test-fabric.ts";

async function aWorld() {
  const ca = await createTestCa();
  const stack = new AsyncDisposableStack();
  const fabric = stack.use(await openFabric(ca));
  const control = stack.use(await startScriptedRuntimeManager({ ca, fabricId }));
  await fabric.activate({ tunnel: [control.address] });
  const socketPath = gatewayPaths(gatewayDirectory(fabric.layout.cluster)).feedSocket;
  return { ca, fabric, control, socketPath, [Symbol.asyncDispose]: () => stack.disposeAsync() };
}

test("a gateway hears roots, configuration and the link that names it; the socket is the agent's user's alone", async () => {
  await using world = await aWorld();
  const mark = await world.control.publish();
  const agent = await world.fabric.startAgent();
  await world.control.session(0);
  await using gateway = await openGateway(world.socketPath);
  const link = await gateway.heard("link", ({ announcedDigest }) => announcedDigest !== "");
  expect(link).toMatchObject({ isUp: true, reason: "", announcedDigest: mark.digest });
  expect((await gateway.heard("configuration")).rootDigest).toBe(mark.digest);
  expect((await gateway.heard("trustBundle")).trustDomain).toBe(world.ca.trustBundle.trustDomain);
  expect((await stat(world.socketPath)).mode & 0o777).toBe(0o600);
  expect((await stat(gatewayDirectory(world.fabric.layout.cluster))).mode & 0o777).toBe(0o700);
  await agent.stop();
});

test("what is published goes to every gateway: fetched first, then announced as current", async () => {
  await using world = await aWorld();
  await world.control.publish();
  await world.fabric.startAgent();
  await world.control.session(0);
  await using one = await openGateway(world.socketPath, "gateway-0");
  await using other = await openGateway(world.socketPath, "gateway-1");
  for (const gateway of [one, other]) await gateway.heard("link", ({ announcedDigest }) => announcedDigest !== "");
  const next = await world.control.publish();
  for (const gateway of [one, other]) {
    expect((await gateway.heard("configuration", ({ rootDigest }) => rootDigest === next.digest)).rootJws).not.toBe("");
    await gateway.heard("link", ({ announcedDigest }) => announcedDigest === next.digest);
  }
});

test("a tunnel that is lost is told at once, with a reason and without an announcement; one that is back is told again (GK 3)", async () => {
  await using world = await aWorld();
  const mark = await world.control.publish();
  await world.fabric.startAgent();
  await world.control.session(0);
  await using gateway = await openGateway(world.socketPath);
  await gateway.heard("link", ({ announcedDigest }) => announcedDigest === mark.digest);
  world.control.cut();
  const down = await gateway.heard("link", ({ isUp }) => !isUp);
  expect(down.announcedDigest).toBe("");
  expect(down.reason).not.toBe("");
  await gateway.heard("link", ({ isUp, announcedDigest }) => isUp && announcedDigest === mark.digest);
});

test("after a restart of the agent without a control plane a gateway still gets the last root, and hears that the link is down", async () => {
  await using world = await aWorld();
  const mark = await world.control.publish();
  const first = await world.fabric.startAgent();
  await world.control.session(0);
  {
    await using gateway = await openGateway(world.socketPath);
    await gateway.heard("configuration", ({ rootDigest }) => rootDigest === mark.digest);
  }
  await first.stop();
  await world.control[Symbol.asyncDispose]();
  await world.fabric.startAgent();
  await using gateway = await openGateway(world.socketPath);
  expect(await gateway.heard("link")).toMatchObject({ isUp: false, announcedDigest: "" });
  expect((await gateway.heard("configuration")).rootDigest).toBe(mark.digest);
  await expect(gateway.getObjects([Buffer.alloc(32)])).rejects.toMatchObject({ code: "TUNNEL_DOWN" });
});

test("a root for another fabric, or by another signer, is offered to nobody and raises an alert", async () => {
  await using world = await aWorld();
  const mine = await world.control.publish();
  const agent = await world.fabric.startAgent();
  await world.control.session(0);
  await using gateway = await openGateway(world.socketPath);
  await gateway.heard("configuration", ({ rootDigest }) => rootDigest === mine.digest);
  await world.control.publish({ fabricId: "0190b8a0-0000-7000-8000-00000000f999" });
  await agent.status(({ alerts }) => alerts.some(({ reason }) => reason === "ApiConfigurationRefused"));
  expect((await gateway.heard("configuration")).rootDigest).toBe(mine.digest);
  const mended = await world.control.publish();
  await gateway.heard("configuration", ({ rootDigest }) => rootDigest === mended.digest);
  await agent.status(({ alerts }) => alerts.every(({ reason }) => reason !== "ApiConfigurationRefused"));
});

test("objects come through the tunnel, each once however many ask for it at a time", async () => {
  await using world = await aWorld();
  await world.control.publish();
  await world.fabric.startAgent();
  await world.control.session(0);
  await using one = await openGateway(world.socketPath, "gateway-0");
  await using other = await openGateway(world.socketPath, "gateway-1");
  for (const gateway of [one, other]) await gateway.heard("link", ({ isUp }) => isUp);
  const objects = ["first", "second", "third"].map((text) => Buffer.from(text));
  const digests = objects.map((object) => world.control.keepObject(object));
  const held = Promise.withResolvers<void>();
  world.control.objectsHeld = held.promise;
  const asked = [one.getObjects(digests), other.getObjects(digests), one.getObjects(digests.toReversed())];
  while (world.control.objectRequests.length === 0) await new Promise(setImmediate);
  held.resolve();
  const answers = await Promise.all(asked);
  expect(answers.slice(0, 2)).toEqual([objects, objects]);
  expect(answers[2]).toEqual(objects.toReversed());
  expect(world.control.objectRequests.flat()).toHaveLength(digests.length);
  await expect(one.getObjects([Buffer.alloc(32)])).rejects.toMatchObject({ code: "API_OBJECT_UNKNOWN" });
  await expect(one.getObjects([Buffer.alloc(5)])).rejects.toMatchObject({ code: "GATEWAY_REQUEST_INVALID" });
  await expect(one.getObjects([])).rejects.toMatchObject({ code: "GATEWAY_REQUEST_INVALID" });
});

test("observed routes go through the tunnel as templates, within bounds; without a tunnel the gateway is told so (MGT 6)", async () => {
  await using world = await aWorld();
  await world.fabric.startAgent();
  await world.control.session(0);
  await using gateway = await openGateway(world.socketPath);
  await gateway.heard("link", ({ isUp }) => isUp);
  const route = { method: "GET", template: "/orders/{}" };
  const orders = { environment: "production", name: "orders", version: "v1", routes: [route] };
  await gateway.reportRoutes([orders]);
  expect(world.control.routeReports).toEqual([[orders]]);
  const chosen = ["/users/ada", "/users/{}", "/users/bob"].map((template) => ({ method: "GET", template }));
  await gateway.reportRoutes([{ ...orders, routes: chosen }]);
  expect(world.control.routeReports[1]?.[0]?.routes, "words that somebody chose").toEqual([
    { method: "GET", template: "/users/{}" },
  ]);
  const invalid = { code: "GATEWAY_REQUEST_INVALID" };
  for (const odd of ["/users/ada@example.com", "/users/%C3%A9", "orders", "/orders/42", "/a b", `/${"a".repeat(33)}`]) {
    const report = [{ ...orders, routes: [{ method: "GET", template: odd }] }];
    await expect(gateway.reportRoutes(report)).rejects.toMatchObject(invalid);
  }
  await expect(gateway.reportRoutes([])).rejects.toMatchObject(invalid);
  await expect(gateway.reportRoutes(Array.from({ length: 101 }, () => orders))).rejects.toMatchObject(invalid);
  const tooMany = [{ ...orders, routes: Array.from({ length: 201 }, () => route) }];
  await expect(gateway.reportRoutes(tooMany)).rejects.toMatchObject(invalid);
  expect(world.control.routeReports).toHaveLength(2);
  await world.control[Symbol.asyncDispose]();
  await gateway.heard("link", ({ isUp }) => !isUp);
  await expect(gateway.reportRoutes([orders])).rejects.toMatchObject({ code: "TUNNEL_DOWN" });
});

test("words that operators chose leave the fabric only where its owner says so (MGT 6)", async () => {
  await using world = await aWorld();
  await world.fabric.startAgent({ config: { ALLOW_ROUTE_WORDS: true } });
  await world.control.session(0);
  await using gateway = await openGateway(world.socketPath);
  await gateway.heard("link", ({ isUp }) => isUp);
  const routes = [{ method: "GET", template: "/dunning/{}" }];
  await gateway.reportRoutes([{ environment: "production", name: "orders", version: "v1", routes }]);
  expect(world.control.routeReports[0]?.[0]?.routes).toEqual(routes);
});

test("what gateways say of gates is in the next status of the app, under the gateway's own name (GK 8)", async () => {
  await using world = await aWorld();
  const agent = await world.fabric.startAgent();
  const session = await world.control.session(0);
  const appId = "0190b8a0-0000-7000-8000-0000000000a1";
  await world.control.desire({ generation: 2n, apps: [aSpec({ appId })] });
  await using gateway = await openGateway(world.socketPath);
  const blocked = aGate({ state: "offline", reason: "LINK_DOWN", gatewayId: "somebody-else" });
  gateway.report({ complete: true, apps: [{ appId, gates: [blocked] }] });
  const said = await session.next("status", ({ apps }) => apps.some(({ gates }) => gates.length > 0));
  expect(said.value.apps.find((app) => app.appId === appId)?.gates).toEqual([{ ...blocked, gatewayId: "gateway-0" }]);
  gateway.report({ apps: [{ appId, gates: [] }] });
  await session.next("status", ({ apps }) => apps.some((app) => app.appId === appId && app.gates.length === 0));
  await agent.stop();
});

test("a gateway that does not say who it is is sent away", async () => {
  await using world = await aWorld();
  await world.fabric.startAgent();
  await world.control.session(0);
  await using gateway = await openGateway(world.socketPath, "Not A Name");
  expect(await gateway.ended).toMatchObject({ code: "GATEWAY_REQUEST_INVALID" });
});
