import { once } from "node:events";
import { type Clock, systemClock } from "@drawbridge/lifecycle";
import { afterAll, beforeAll, expect, test } from "vitest";
import { allJsonLines } from "./support/lines.ts";
import { startApi, type TestApi } from "./support/start-api.ts";
import { aManifest } from "./support/stand-in-config-resolver.ts";
import { aFabric } from "./support/stand-in-runtime-manager.ts";

/** Half a minute, after which a stream's caller is looked at again, is over at once. */
const hastyClock: Clock = {
  now: () => systemClock.now(),
  monotonicMs: () => systemClock.monotonicMs(),
  sleep: (ms, signal) => systemClock.sleep(ms === 30_000 ? 100 : ms, signal),
};

let world: TestApi;
beforeAll(async () => {
  world = await startApi({ clock: hastyClock });
  const fabric = aFabric({ name: "edge", environments: ["production"] });
  world.runtimeManager.fabrics.set(fabric.fabricId, fabric);
  const body = { fabric: "edge", bundleDigest: world.configResolver.addBundle(aManifest()) };
  await world.api.call("PUT", "/v1/environments/production/apps/hello", { token: world.adminToken, body });
});
afterAll(() => world[Symbol.asyncDispose]());

async function follow(token: string) {
  world.runtimeManager.logs = async function* endless(signal) {
    yield { replicaId: "r-1", stream: "stdout", line: "first", at: new Date(0) };
    await once(signal, "abort");
  };
  const { body } = await world.api.open("GET", "/v1/environments/production/apps/hello/logs?follow=true", { token });
  return { body, lines: allJsonLines(body) };
}

test("a session that ends takes with it what it follows", async () => {
  const token = await world.createUser("leaving", [{ role: "operator", environment: "production" }]);
  const { lines } = await follow(token);
  expect((await world.api.call("DELETE", "/v1/sessions/current", { token })).status).toBe(204);
  expect((await lines)[0]).toMatchObject({ type: "line", line: "first" });
});

test("a user who is gone follows nothing any more, and others go on", async () => {
  const token = await world.createUser("gone", [{ role: "operator", environment: "production" }]);
  const other = await follow(world.adminToken);
  const { lines } = await follow(token);
  expect((await world.api.call("DELETE", "/v1/users/gone", { token: world.adminToken })).status).toBe(204);
  await lines;
  await systemClock.sleep(500);
  expect(other.body.destroyed || other.body.readableEnded).toBe(false);
  other.body.on("error", () => undefined).destroy();
  await other.lines.catch(() => undefined);
});
