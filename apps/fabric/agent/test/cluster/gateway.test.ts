import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import {
  endpointsPath,
  gatewayDirectory,
  gatewayPaths,
  isAlive,
  readEndpoints,
  readRoutes,
  readUnitState,
  unitPaths,
  type DeploymentEndpoints,
} from "@drawbridge/app-routes";
import { expect, test } from "vitest";
import { appPaths, listUnitIds } from "../../src/cluster/process/app-folder.ts";
import type { DesiredApp } from "../../src/cluster/cluster-driver.ts";
import { anApp, endpointOf, eventually, get, never, nextRevision, observed, startLoad } from "./harness.ts";
import { openProcessCluster, type ProcessCluster } from "./process-cluster.ts";

const sources = join(import.meta.dirname, "../../src");
const entryPoints = {
  shim: join(sources, "shim/main.ts"),
  front: join(sources, "front/main.ts"),
  gateway: join(import.meta.dirname, "fixtures/gateway.ts"),
};
const openCluster = () => openProcessCluster({ entryPoints });
const apis = [{ name: "orders", version: "v1", basePath: "/api", resources: [{ method: "GET", path: "/orders" }] }];

function gatewayOf(cluster: ProcessCluster) {
  const paths = gatewayPaths(gatewayDirectory(cluster.stateDirectory));
  return {
    paths,
    state: () => readUnitState(unitPaths(join(paths.units, "gateway-0"))),
    routed: () => (readRoutes(paths.routes)?.apps ?? []).map(({ appId }) => appId),
  };
}

function deploymentsOf(cluster: ProcessCluster, { appId }: DesiredApp): readonly DeploymentEndpoints[] {
  return readEndpoints(endpointsPath(appPaths(cluster.stateDirectory, appId).directory))?.deployments ?? [];
}

/** Fronts of the app that live. */
function frontsOf(cluster: ProcessCluster, { appId }: DesiredApp): readonly string[] {
  const { fronts } = appPaths(cluster.stateDirectory, appId);
  return listUnitIds(fronts).filter((unitId) => isAlive(readUnitState(unitPaths(join(fronts, unitId)))?.app));
}

test("an app whose manifest names APIs has no front: the gateway serves it and knows its gates (GK 1, GK 5)", async () => {
  await using cluster = await openCluster();
  const app = anApp({ apis, runtimeVersion: "4.0.0", change: { replicas: 2 } });
  await cluster.driver.apply(app, never);
  expect(await get(cluster.driver, app.appId)).toEqual({ status: 200, body: "one" });
  expect(frontsOf(cluster, app)).toEqual([]);
  const [deployment, ...more] = deploymentsOf(cluster, app);
  expect(more).toEqual([]);
  expect(deployment).toMatchObject({
    revision: "1",
    runtimeVersion: "4.0.0",
    level: "strict",
    levelSource: "runtime version 4.0.0",
    apis,
  });
  expect(deployment?.replicaIds).toHaveLength(2);
  const [route] = readRoutes(gatewayOf(cluster).paths.routes)?.apps ?? [];
  expect(route).toMatchObject({ appId: app.appId, appName: "shop", environment: "test" });
});

test("apps without APIs start no gateway", async () => {
  await using cluster = await openCluster();
  const app = anApp();
  await cluster.driver.apply(app, never);
  expect(gatewayOf(cluster).state()).toBeUndefined();
  expect(frontsOf(cluster, app)).toHaveLength(1);
});

test("an app with hosts is served by the gateway, APIs or not, and what the operator opens reaches it through the file", async () => {
  await using cluster = await openCluster();
  const routes = () => readRoutes(gatewayOf(cluster).paths.routes);
  const hosts = [{ host: "api.example.com", path: "/orders" }];
  const app = anApp({ change: { hosts } });
  await cluster.driver.apply(app, never);
  expect(frontsOf(cluster, app)).toEqual([]);
  expect(routes()).toMatchObject({ apps: [{ appId: app.appId, hosts }], shared: undefined });
  expect((await get(cluster.driver, app.appId)).status).toBe(200);
  const { problems } = await observed(cluster.driver, app.appId);
  expect(problems).toEqual([{ kind: "no_shared_port", hosts: ["api.example.com"] }]);

  // The next agent was given a port for hosts: without touching the app.
  const sharedPorts = { http: { address: "127.0.0.1", port: 18_080 }, https: undefined };
  const next = cluster.newDriver({ sharedPorts });
  expect(routes()).toMatchObject({ apps: [{ hosts }], shared: { http: sharedPorts.http } });
  expect((await observed(next, app.appId)).problems).toEqual([]);

  const more = [...hosts, { host: "*.example.com", path: "/" }];
  const address = await endpointOf(next, app.appId);
  await next.apply({ ...app, hosts: more, specDigest: "sha256:more" }, never);
  expect(routes()).toMatchObject({ apps: [{ hosts: more }], shared: { http: sharedPorts.http } });
  expect(await endpointOf(next, app.appId)).toBe(address);
  await next.apply({ ...app, hosts: [], specDigest: "sha256:none" }, never);
  expect(routes()?.apps).toEqual([]);
  expect(frontsOf(cluster, app)).toHaveLength(1);
  expect((await get(next, app.appId)).status).toBe(200);
});

test("one gateway serves all, outlives the agent, is adopted, and ends with the last app", async () => {
  await using cluster = await openCluster();
  const gateway = gatewayOf(cluster);
  const [one, other] = [anApp({ apis }), anApp({ apis, answer: "other", change: { name: "other" } })];
  await Promise.all([cluster.driver.apply(one, never), cluster.driver.apply(other, never)]);
  const process = gateway.state()?.app;
  expect(gateway.routed().toSorted()).toEqual([one.appId, other.appId].toSorted());
  const next = cluster.newDriver();
  await next.apply(one, never);
  expect(gateway.state()?.app).toEqual(process);
  expect((await get(next, other.appId)).body).toBe("other");
  await next.remove(one.appId, never);
  expect(isAlive(process)).toBe(true);
  expect((await get(next, other.appId)).body).toBe("other");
  await next.remove(other.appId, never);
  expect(isAlive(process)).toBe(false);
  await next.apply(one, never);
  expect((await get(next, one.appId)).body).toBe("one");
});

test("loses no request during update, restart and scaling through the gateway; only a new deployment has a new key", async () => {
  await using cluster = await openCluster();
  const app = anApp({ apis, change: { replicas: 2 } });
  await cluster.driver.apply(app, never);
  const keys = new Set([deploymentsOf(cluster, app)[0]?.key]);
  const load = startLoad(await endpointOf(cluster.driver, app.appId));
  const scaled = { ...app, replicas: 3, specDigest: "sha256:scaled", generation: 2n };
  await cluster.driver.apply(scaled, never);
  expect(deploymentsOf(cluster, app).map(({ key }) => key)).toEqual([...keys]);
  const updated = nextRevision(scaled, { apis, answer: "two" });
  await cluster.driver.apply(updated, never);
  const restarted = { ...updated, restartNonce: "again", specDigest: "sha256:restarted" };
  keys.add(deploymentsOf(cluster, app)[0]?.key);
  await cluster.driver.apply(restarted, never);
  keys.add(deploymentsOf(cluster, app)[0]?.key);
  const { answered, failures, answers } = await load.stop();
  expect(keys.size).toBe(3);
  expect(failures).toEqual([]);
  expect(answered).toBeGreaterThan(50);
  expect(answers).toEqual(new Set(["one", "two"]));
});

test("goes over to the gateway and back without a failed request, and no front lives beside a tracked replica", async () => {
  await using cluster = await openCluster();
  const plain = anApp({ change: { replicas: 2 } });
  await cluster.driver.apply(plain, never);
  const endpoint = await endpointOf(cluster.driver, plain.appId);
  const load = startLoad(endpoint);
  const seen: string[] = [];
  const watching = new AbortController();
  const watch = eventually(() => {
    const isTracked = deploymentsOf(cluster, plain).some((deployment) => deployment.apis.length > 0);
    if (isTracked && frontsOf(cluster, plain).length > 0) seen.push("a front beside a tracked replica");
    return watching.signal.aborted;
  });
  const tracked = nextRevision(plain, { apis, answer: "two" });
  await cluster.driver.apply(tracked, never);
  expect(await endpointOf(cluster.driver, plain.appId)).toBe(endpoint);
  expect(frontsOf(cluster, plain)).toEqual([]);
  const back = nextRevision(tracked, { answer: "three" });
  await cluster.driver.apply(back, never);
  expect(await get(cluster.driver, plain.appId)).toEqual({ status: 200, body: "three" });
  expect(await endpointOf(cluster.driver, plain.appId)).toBe(endpoint);
  expect(gatewayOf(cluster).routed()).toEqual([]);
  watching.abort();
  await watch;
  const { failures } = await load.stop();
  expect(seen).toEqual([]);
  expect(failures).toEqual([]);
});

test("a changed gatekeeper property counts from the next deployment on, not for replicas that are added (GK 7)", async () => {
  await using cluster = await openCluster();
  const app = anApp({ apis });
  await cluster.driver.apply(app, never);
  const strict = { value: "strict", origin: "environment" } as const;
  await cluster.driver.apply({ ...app, replicas: 2, specDigest: "sha256:scaled", gatekeeper: strict }, never);
  expect(deploymentsOf(cluster, app)).toMatchObject([{ level: "flexible", levelSource: "runtime version 4.1.0" }]);
  await cluster.driver.apply(nextRevision(app, { apis, change: { gatekeeper: strict } }), never);
  expect(deploymentsOf(cluster, app)).toMatchObject([{ level: "strict", levelSource: "environment" }]);
  const invalid = { value: "lenient", origin: "app" } as const;
  const wrong = nextRevision(nextRevision(app), { apis, change: { gatekeeper: invalid } });
  await cluster.driver.apply(wrong, never);
  expect(deploymentsOf(cluster, app)).toMatchObject([{ level: "strict", levelSource: "app" }]);
});

test("a stopped app is routed no more; started again it is at the same place", async () => {
  await using cluster = await openCluster();
  const app = anApp({ apis });
  await cluster.driver.apply(app, never);
  const endpoint = await endpointOf(cluster.driver, app.appId);
  await cluster.driver.apply({ ...app, desiredState: "stopped", specDigest: "sha256:stopped" }, never);
  expect(gatewayOf(cluster).routed()).toEqual([]);
  expect((await observed(cluster.driver, app.appId)).endpoints).toEqual([]);
  await cluster.driver.apply({ ...app, specDigest: "sha256:started" }, never);
  expect(await endpointOf(cluster.driver, app.appId)).toBe(endpoint);
  expect((await get(cluster.driver, app.appId)).status).toBe(200);
});

test("a gateway that does not start is the app's failure, never a way around it; mended it comes up", async () => {
  await using cluster = await openCluster();
  const { paths } = gatewayOf(cluster);
  mkdirSync(paths.directory, { recursive: true });
  writeFileSync(join(paths.directory, "broken"), "");
  const app = anApp({ apis });
  await expect(cluster.driver.apply(app, never)).rejects.toMatchObject({
    code: "GATEWAY_NOT_STARTED",
    details: { reason: "GatewayDown" },
  });
  const seen = await observed(cluster.driver, app.appId);
  expect(seen.endpoints).toEqual([]);
  expect(frontsOf(cluster, app)).toEqual([]);
  await eventually(async () =>
    (await observed(cluster.driver, app.appId)).problems.some((problem) => problem.kind === "gateway_down"),
  );
  rmSync(join(paths.directory, "broken"));
  await eventually(async () => {
    await cluster.driver.apply(app, never);
    return true;
  });
  expect((await get(cluster.driver, app.appId)).status).toBe(200);
});

test("a gateway that was killed with its shim is seen, and brought back by the next look", async () => {
  await using cluster = await openCluster();
  const gateway = gatewayOf(cluster);
  const app = anApp({ apis });
  await cluster.driver.apply(app, never);
  const state = gateway.state();
  for (const ref of [state?.shim, state?.app]) if (ref) process.kill(ref.pid, "SIGKILL");
  await eventually(async () =>
    (await observed(cluster.driver, app.appId)).problems.some(({ kind }) => kind === "gateway_down"),
  );
  await cluster.driver.apply(app, never);
  expect((await get(cluster.driver, app.appId)).status).toBe(200);
  expect((await observed(cluster.driver, app.appId)).problems).toEqual([]);
});

test("a port that somebody else has is not taken from him, and the app stays where it was", async () => {
  await using cluster = await openCluster();
  const one = anApp({ apis });
  await cluster.driver.apply(one, never);
  const taken = Number(new URL(await endpointOf(cluster.driver, one.appId)).port);
  const other = anApp({ apis, change: { name: "other", publicPort: taken } });
  await expect(cluster.driver.apply(other, never)).rejects.toMatchObject({ code: "PORT_IN_USE" });
  expect((await get(cluster.driver, one.appId)).body).toBe("one");
});

test("gateways of two fabrics on one machine leave each other alone", async () => {
  await using one = await openCluster();
  await using other = await openCluster();
  const apps = [anApp({ apis }), anApp({ apis, answer: "other" })] as const;
  await one.driver.apply(apps[0], never);
  const first = gatewayOf(one).state()?.app;
  await other.driver.apply(apps[1], never);
  await other.driver.remove(apps[1].appId, never);
  expect(isAlive(first)).toBe(true);
  expect(gatewayOf(one).state()?.exits).toBe(0);
});
