import { Agent, request } from "node:http";
import { join } from "node:path";
import {
  gatewayDirectory,
  gatewayPaths,
  isAlive,
  readUnitSpec,
  readUnitState,
  unitPaths,
  type ProcessRef,
} from "@drawbridge/app-routes";
import { expect, test } from "vitest";
import { listUnitIds } from "../../src/cluster/process/app-folder.ts";
import { orderGatewayRestart } from "../../src/cluster/process/gateways/restart-order.ts";
import { anApp, endpointOf, eventually, get, never, nextRevision, startLoad } from "./harness.ts";
import { openProcessCluster, type ProcessCluster } from "./process-cluster.ts";

/* Several gateways of one fabric, as the driver starts them; a stand-in without gates takes their place. */

const sources = join(import.meta.dirname, "../../src");
const entryPoints = {
  shim: join(sources, "shim/main.ts"),
  front: join(sources, "front/main.ts"),
  gateway: join(import.meta.dirname, "fixtures/gateway.ts"),
};
const apis = [{ name: "orders", version: "v1", basePath: "/api", resources: [{ method: "GET", path: "/orders" }] }];
const fabricId = "0198c0de-0000-7000-8000-0000000000f1";
const openCluster = (gateways: number) => openProcessCluster({ entryPoints, gateways, fabricId });

const pathsOf = ({ stateDirectory }: ProcessCluster) => gatewayPaths(gatewayDirectory(stateDirectory));

/** Gateways whose process lives, by id. */
function living(cluster: ProcessCluster): Map<string, ProcessRef> {
  const { units } = pathsOf(cluster);
  return new Map(
    listUnitIds(units).flatMap((unitId) => {
      const app = readUnitState(unitPaths(join(units, unitId)))?.app;
      return isAlive(app) ? [[unitId, app] as const] : [];
    }),
  );
}

/** As the agent does, until it is so. */
async function tendUntil(cluster: ProcessCluster, isSo: () => boolean): Promise<void> {
  await eventually(async () => {
    await cluster.driver.tend(never);
    return isSo();
  });
}

test("as many gateways run as are wanted, each with its own folder and name, all of one fabric (GK 8)", async () => {
  await using cluster = await openCluster(3);
  const app = anApp({ apis });
  await cluster.driver.apply(app, never);
  expect((await get(cluster.driver, app.appId)).status).toBe(200);
  expect([...living(cluster).keys()].toSorted()).toEqual(["gateway-0", "gateway-1", "gateway-2"]);
  const { directory, units } = pathsOf(cluster);
  const settings = listUnitIds(units).map((unitId) => readUnitSpec(unitPaths(join(units, unitId)))?.environment);
  expect(new Set(settings.map((environment) => environment?.["DRAWBRIDGE_OWN_DIR"])).size).toBe(3);
  for (const environment of settings) {
    expect(environment).toMatchObject({
      DRAWBRIDGE_STATE_DIR: directory,
      DRAWBRIDGE_PEERS_DIR: join(directory, "peers"),
      DRAWBRIDGE_FABRIC_ID: fabricId,
    });
  }
  await cluster.driver.remove(app.appId, never);
  expect(living(cluster).size).toBe(0);
});

test("a gateway that is killed takes only its own connections along, and no roll-out waits for it (GK 8)", async () => {
  await using cluster = await openCluster(2);
  const app = anApp({ apis, change: { replicas: 2 } });
  await cluster.driver.apply(app, never);
  const endpoint = await endpointOf(cluster.driver, app.appId);
  await eventually(() => living(cluster).size === 2);
  const load = startLoad(endpoint, { connections: 16 });
  const { units } = pathsOf(cluster);
  const state = readUnitState(unitPaths(join(units, "gateway-1")));
  // With its shim, so that it stays away: new connections must be taken by the other one.
  for (const ref of [state?.shim, state?.app]) if (ref) process.kill(ref.pid, "SIGKILL");
  await eventually(() => !isAlive(state?.app));
  for (let asked = 0; asked < 50; asked += 1) expect(await ask(endpoint)).toBe(200);
  const updated = nextRevision(app, { apis, answer: "two" });
  await cluster.driver.apply(updated, never);
  expect(await get(cluster.driver, app.appId)).toEqual({ status: 200, body: "two" });
  const { answered, failures } = await load.stop();
  expect(answered).toBeGreaterThan(50);
  // At most one request was under way on each connection.
  expect(failures.length).toBeLessThanOrEqual(16);
  await tendUntil(cluster, () => living(cluster).size === 2);
});

test("gateways are replaced one after the other without a failed request, when it is asked for and when their program changes", async () => {
  await using cluster = await openCluster(2);
  const app = anApp({ apis, change: { replicas: 2 } });
  await cluster.driver.apply(app, never);
  await eventually(() => living(cluster).size === 2);
  const load = startLoad(await endpointOf(cluster.driver, app.appId), { connections: 8 });
  const before = living(cluster);
  orderGatewayRestart(pathsOf(cluster).directory, new Date());
  let fewest = Number.POSITIVE_INFINITY;
  const areNew = (old: ReadonlyMap<string, ProcessRef>) => (): boolean => {
    const now = living(cluster);
    fewest = Math.min(fewest, now.size);
    return now.size === 2 && [...old.values()].every((ref) => !isAlive(ref));
  };
  await tendUntil(cluster, areNew(before));
  const ordered = living(cluster);
  // The next agent: another program.
  const upgraded = cluster.newDriver({
    entryPoints: { ...entryPoints, gateway: `${import.meta.dirname}/./fixtures/gateway.ts` },
  });
  await eventually(async () => {
    await upgraded.tend(never);
    return areNew(ordered)();
  });
  const { answered, failures } = await load.stop();
  expect(failures).toEqual([]);
  expect(answered).toBeGreaterThan(50);
  expect(fewest).toBe(2);
});

test("a program that does not come up replaces nothing", async () => {
  await using cluster = await openCluster(1);
  const app = anApp({ apis });
  await cluster.driver.apply(app, never);
  await eventually(() => living(cluster).size === 1);
  const before = living(cluster);
  const broken = cluster.newDriver({ entryPoints: { ...entryPoints, gateway: join(sources, "no-such-program.ts") } });
  const { units } = pathsOf(cluster);
  await eventually(async () => {
    await broken.tend(never);
    return (readUnitState(unitPaths(join(units, "gateway-1")))?.exits ?? 0) >= 2;
  });
  expect(living(cluster).get("gateway-0")).toEqual(before.get("gateway-0"));
  expect((await get(cluster.driver, app.appId)).status).toBe(200);
  // Back to the program that works: what did not come up goes.
  await tendUntil(cluster, () => readUnitState(unitPaths(join(units, "gateway-1")))?.phase === "stopped");
  expect(living(cluster)).toEqual(before);
});

test("more or fewer gateways are a matter of the setting: no request fails", async () => {
  await using cluster = await openCluster(1);
  const app = anApp({ apis });
  await cluster.driver.apply(app, never);
  await eventually(() => living(cluster).size === 1);
  const load = startLoad(await endpointOf(cluster.driver, app.appId), { connections: 4 });
  const more = cluster.newDriver({ gateways: 3 });
  await more.tend(never);
  await eventually(() => living(cluster).size === 3);
  const fewer = cluster.newDriver({ gateways: 1 });
  await eventually(async () => {
    await fewer.tend(never);
    return [...living(cluster).keys()].join(" ") === "gateway-0";
  });
  expect((await load.stop()).failures).toEqual([]);
});

/** On a connection of its own. */
function ask(endpoint: string): Promise<number | undefined> {
  return new Promise((resolve, reject) => {
    const outgoing = request(endpoint, { agent: new Agent() }, (answer) => {
      answer.resume();
      answer.on("end", () => resolve(answer.statusCode));
    });
    outgoing.on("error", reject);
    outgoing.end();
  });
}
