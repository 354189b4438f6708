import { once } from "node:events";
import type { StreamLogsResponse } from "@drawbridge/contracts/runtime/v1/app_service";
import { DrawbridgeError } from "@drawbridge/errors";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { allJsonLines } from "./support/lines.ts";
import { startApi, type TestApi } from "./support/start-api.ts";
import { aManifest } from "./support/stand-in-config-resolver.ts";
import { aFabric } from "./support/stand-in-runtime-manager.ts";

let world: TestApi;
beforeAll(async () => {
  world = await startApi();
  const fabric = aFabric({ name: "edge", environments: ["production"] });
  world.runtimeManager.fabrics.set(fabric.fabricId, fabric);
  const body = { fabric: "edge", bundleDigest: world.configResolver.addBundle(aManifest()) };
  await world.api.call("PUT", "/v1/environments/production/apps/hello", { token: world.adminToken, body });
});
afterAll(() => world[Symbol.asyncDispose]());

const path = "/v1/environments/production/apps/hello/logs";
const open = (query = "") => world.api.open("GET", path + query, { token: world.adminToken });
const aLine = (line: string): StreamLogsResponse => ({ replicaId: "r-1", stream: "stdout", line, at: new Date(0) });

describe("logs", () => {
  test("come as one JSON document per line", async () => {
    world.runtimeManager.logs = async function* two() {
      yield aLine("first");
      yield { ...aLine('with "quotes"'), at: undefined };
    };
    const answer = await open("?tail=10");
    expect(answer.headers["content-type"]).toBe("application/x-ndjson");
    expect(await allJsonLines(answer.body)).toEqual([
      { type: "line", replicaId: "r-1", stream: "stdout", line: "first", at: "1970-01-01T00:00:00.000Z" },
      { type: "line", replicaId: "r-1", stream: "stdout", line: 'with "quotes"', at: null },
    ]);
  });

  test("that the fabric's owner does not allow are refused with a status, not in the stream", async () => {
    world.runtimeManager.logs = () => {
      throw new DrawbridgeError({ kind: "permission_denied", code: "LOGS_NOT_ALLOWED", message: "not switched on" });
    };
    const answer = await world.api.call("GET", path, { token: world.adminToken });
    expect(answer.json).toMatchObject({ status: 403, code: "LOGS_NOT_ALLOWED" });
  });

  test("that break off later end with a line that says why", async () => {
    world.runtimeManager.logs = async function* broken() {
      yield aLine("first");
      throw new DrawbridgeError({ kind: "unavailable", code: "FABRIC_NOT_CONNECTED", message: "the tunnel is down" });
    };
    const lines = await allJsonLines((await open()).body);
    expect(lines).toMatchObject([
      { type: "line" },
      { type: "error", code: "FABRIC_NOT_CONNECTED", detail: "the tunnel is down" },
    ]);
  });

  test("end at their source when the reader goes away", async () => {
    const ended = Promise.withResolvers<void>();
    world.runtimeManager.logs = async function* endless(signal) {
      signal.addEventListener("abort", () => ended.resolve());
      yield aLine("first");
      await once(signal, "abort");
    };
    const answer = await open("?follow=true");
    await once(answer.body, "data");
    answer.body.on("error", () => undefined).destroy();
    await ended.promise;
  });

  test("are read from their source only as fast as the reader takes them", async () => {
    let produced = 0;
    const line = aLine("x".repeat(60_000));
    world.runtimeManager.logs = async function* fast(signal) {
      while (!signal.aborted) {
        produced += 1;
        yield line;
      }
    };
    const answer = await open("?follow=true");
    await once(answer.body, "readable"); // and nothing is read from here on
    let seen = -1;
    while (produced !== seen) {
      seen = produced;
      await new Promise((resolve) => setImmediate(resolve));
      await world.api.call("GET", "/v1/whoami", { token: world.adminToken }); // gives every loop several turns
    }
    answer.body.on("error", () => undefined).destroy();
    expect(seen * line.line.length).toBeLessThan(64 * 1024 * 1024);
  });

  test("leave an audit record of every look at them", async () => {
    world.runtimeManager.logs = async function* none() {};
    await (await open()).body.dump();
    const { json } = await world.api.call("GET", "/v1/audit?limit=1", { token: world.adminToken });
    expect(json.items).toMatchObject([
      { action: "app.logs", target: "production/hello", actor: "admin", result: "success" },
    ]);
  });
});
