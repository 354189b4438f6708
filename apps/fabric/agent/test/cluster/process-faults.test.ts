import {
  frontStatusPath,
  isAlive,
  type ProcessRef,
  readFrontStatus,
  readTraffic,
  readUnitState,
  trafficPath,
  unitPaths,
} from "@drawbridge/app-routes";
import { isDrawbridgeError } from "@drawbridge/errors";
import { spawn } from "node:child_process";
import { randomUUID } from "node:crypto";
import { once } from "node:events";
import { readdirSync, readFileSync, rmSync, statSync } from "node:fs";
import { createServer, type AddressInfo, type Server } from "node:net";
import { basename, join } from "node:path";
import { systemClock } from "@drawbridge/lifecycle";
import { expect, test } from "vitest";
import { appPaths } from "../../src/cluster/process/app-folder.ts";
import { startShim } from "../../src/cluster/process/launch-unit.ts";
import { readCurrentApp } from "../../src/cluster/process/read-current-app.ts";
import {
  anApp,
  endpointOf,
  eventually,
  get,
  never,
  nextRevision,
  observed,
  processesWith,
  readProc,
  startLoad,
} from "./harness.ts";
import { openProcessCluster, type ProcessCluster } from "./process-cluster.ts";

interface UnitProcesses {
  readonly shim: ProcessRef;
  readonly app: ProcessRef;
}

/** Folder of the only unit of a kind. */
function onlyUnit(cluster: ProcessCluster, appId: string, kind: "replicas" | "fronts"): string {
  const folder = appPaths(cluster.stateDirectory, appId)[kind];
  const [name = "", ...others] = readdirSync(folder);
  if (others.length > 0) throw new Error("there is more than one unit");
  return join(folder, name);
}

/** Shim and process of the only unit of a kind. */
function unitOf(cluster: ProcessCluster, appId: string, kind: "replicas" | "fronts"): UnitProcesses {
  const state = readUnitState(unitPaths(onlyUnit(cluster, appId, kind)));
  if (state?.shim === undefined || state.app === undefined) throw new Error("the unit does not run");
  return { shim: state.shim, app: state.app };
}

function kill(ref: ProcessRef): void {
  process.kill(ref.pid, "SIGKILL");
}

async function answersOf(cluster: ProcessCluster, appId: string): Promise<string | undefined> {
  const { status, body } = await get(cluster.driver, appId);
  return status === 200 ? body : undefined;
}

test("apps answer on when the agent and its process group are killed, and the next agent adopts them (MGT 5)", async () => {
  await using cluster = await openProcessCluster();
  const appId = randomUUID();
  const owner = spawn(
    process.execPath,
    [join(import.meta.dirname, "driver-owner.ts"), cluster.stateDirectory, appId, "2"],
    {
      detached: true,
      stdio: ["ignore", "pipe", "inherit"],
    },
  );
  await once(owner.stdout, "data");
  const before = await observed(cluster.driver, appId);
  process.kill(-(owner.pid ?? 0), "SIGKILL");
  await once(owner, "exit");
  expect((await get(cluster.driver, appId)).status).toBe(200);

  await cluster.driver.apply(anApp({ change: { appId, replicas: 2, secrets: { PASSWORD: "open sesame" } } }), never);
  expect(await observed(cluster.driver, appId)).toEqual(before);
  expect(before.replicas.map((replica) => replica.restarts)).toEqual([0, 0]);
});

test("a killed app is restarted by its shim without the agent, on the same replica id", async () => {
  await using cluster = await openProcessCluster();
  const app = anApp();
  await cluster.driver.apply(app, never);
  kill(unitOf(cluster, app.appId, "replicas").app);
  await eventually(async () => {
    const [replica] = (await observed(cluster.driver, app.appId)).replicas;
    return replica?.restarts === 1 && replica.lastExit === "signal SIGKILL" && replica.state === "ready";
  });
  await eventually(() => answersOf(cluster, app.appId));
});

test("an app outlives its killed shim, is adopted by a new one and never runs twice", async () => {
  await using cluster = await openProcessCluster();
  const app = anApp();
  await cluster.driver.apply(app, never);
  const before = unitOf(cluster, app.appId, "replicas");
  kill(before.shim);
  await eventually(() => !isAlive(before.shim));
  await get(cluster.driver, app.appId, "/log?lines=100"); // nobody reads its output now: that must not end it
  expect(await answersOf(cluster, app.appId)).toBe("one");

  await cluster.driver.apply(app, never);
  const after = unitOf(cluster, app.appId, "replicas");
  expect(after.app).toEqual(before.app);
  expect(after.shim.pid).not.toBe(before.shim.pid);
  // What it wrote in between was kept for the new shim.
  await eventually(async () => {
    for await (const { line } of cluster.driver.logs({ appId: app.appId, tailLines: 1, follow: false }, never))
      return line === "line 99";
    return false;
  });
  // And the new shim does its work.
  kill(after.app);
  await eventually(async () => (await observed(cluster.driver, app.appId)).replicas[0]?.restarts === 1);
  await eventually(() => answersOf(cluster, app.appId));
  expect(processesWith(`DRAWBRIDGE_APP_ID=${app.appId}\0DRAWBRIDGE_REPLICA=r1-`)).toHaveLength(1);
});

test("shim and app killed together come back as one replica", async () => {
  await using cluster = await openProcessCluster();
  const app = anApp();
  await cluster.driver.apply(app, never);
  const [before] = (await observed(cluster.driver, app.appId)).replicas;
  const processes = unitOf(cluster, app.appId, "replicas");
  kill(processes.shim);
  kill(processes.app);
  await eventually(() => !isAlive(processes.shim) && !isAlive(processes.app));
  expect((await observed(cluster.driver, app.appId)).replicas[0]?.state).toBe("crashed");
  await cluster.driver.apply(app, never);
  await eventually(() => answersOf(cluster, app.appId));
  expect((await observed(cluster.driver, app.appId)).replicas.map((replica) => replica.replicaId)).toEqual([
    before?.replicaId,
  ]);
});

test("a process that nobody has recorded is ended before its replacement starts", async () => {
  await using cluster = await openProcessCluster();
  const app = anApp();
  await cluster.driver.apply(app, never);
  const before = unitOf(cluster, app.appId, "replicas");
  kill(before.shim);
  await eventually(() => !isAlive(before.shim));
  rmSync(unitPaths(onlyUnit(cluster, app.appId, "replicas")).state);
  await cluster.driver.apply(app, never);
  const after = unitOf(cluster, app.appId, "replicas");
  expect(after.app.pid).not.toBe(before.app.pid);
  expect(processesWith(`DRAWBRIDGE_APP_ID=${app.appId}\0DRAWBRIDGE_REPLICA=r1-`)).toEqual([after.app.pid]);
  expect(await answersOf(cluster, app.appId)).toBe("one");
});

test("a second shim of a unit gives way to the first", async () => {
  await using cluster = await openProcessCluster();
  const app = anApp();
  await cluster.driver.apply(app, never);
  const before = unitOf(cluster, app.appId, "replicas");
  const source = join(import.meta.dirname, "../../src");
  const second = startShim(
    onlyUnit(cluster, app.appId, "replicas"),
    {},
    {
      stateDirectory: cluster.stateDirectory,
      appPath: "/usr/bin:/bin",
      entryPoints: { shim: join(source, "shim/main.ts"), front: join(source, "front/main.ts"), gateway: "" },
      clock: systemClock,
    },
  );
  await expect(second).rejects.toMatchObject({ code: "SHIM_NOT_STARTED" });
  expect(unitOf(cluster, app.appId, "replicas")).toEqual(before);
});

test("an old version whose shim was killed serves until the update has replaced it", async () => {
  await using cluster = await openProcessCluster();
  const first = anApp({ answer: "one" });
  await cluster.driver.apply(first, never);
  const load = startLoad(await endpointOf(cluster.driver, first.appId), { connections: 4 });
  kill(unitOf(cluster, first.appId, "replicas").shim);
  await cluster.driver.apply(nextRevision(first, { answer: "two" }), never);
  const result = await load.stop();
  expect(result.failures).toEqual([]);
  expect((await observed(cluster.driver, first.appId)).replicas).toHaveLength(1);
});

test("a killed front is back at the same port without the agent", async () => {
  await using cluster = await openProcessCluster();
  const app = anApp();
  await cluster.driver.apply(app, never);
  const endpoint = await endpointOf(cluster.driver, app.appId);
  const front = unitOf(cluster, app.appId, "fronts");
  kill(front.app);
  await eventually(() => !isAlive(front.app));
  await eventually(async () => (await fetch(endpoint)).status === 200);
});

test("a front whose shim was killed too is replaced by the agent", async () => {
  await using cluster = await openProcessCluster();
  const app = anApp();
  await cluster.driver.apply(app, never);
  const endpoint = await endpointOf(cluster.driver, app.appId);
  const front = unitOf(cluster, app.appId, "fronts");
  kill(front.shim);
  kill(front.app);
  await eventually(() => !isAlive(front.app));
  await cluster.driver.apply(app, never);
  expect(await endpointOf(cluster.driver, app.appId)).toBe(endpoint);
  expect((await get(cluster.driver, app.appId)).status).toBe(200);
});

test("a front comes back though its port is still held for a moment", async () => {
  await using cluster = await openProcessCluster();
  const app = anApp();
  await cluster.driver.apply(app, never);
  const endpoint = await endpointOf(cluster.driver, app.appId);
  const front = unitOf(cluster, app.appId, "fronts");
  kill(front.shim);
  kill(front.app);
  await eventually(() => !isAlive(front.app));
  const holder = createServer();
  await eventually(() => listens(holder, Number(new URL(endpoint).port)));
  const applied = cluster.driver.apply(app, never);
  await eventually(() => {
    const status = readFrontStatus(frontStatusPath(onlyUnit(cluster, app.appId, "fronts")));
    return isAlive(status?.process); // the new one is up and has tried
  });
  holder.close();
  await applied;
  expect(await endpointOf(cluster.driver, app.appId)).toBe(endpoint);
  expect((await get(cluster.driver, app.appId)).status).toBe(200);
});

function listens(server: Server, port: number): Promise<boolean> {
  return new Promise((resolve) => {
    server.once("error", () => resolve(false));
    server.listen(port, "127.0.0.1", () => resolve(true));
  });
}

test("a port that somebody else has is refused by name and the earlier version serves at its own", async () => {
  await using cluster = await openProcessCluster();
  const app = anApp({ answer: "one" });
  await cluster.driver.apply(app, never);
  const squatter = createServer().listen(0, "127.0.0.1");
  await once(squatter, "listening");
  const { port } = squatter.address() as AddressInfo; // a listening TCP server has one
  const moved = nextRevision(app, { answer: "two", change: { publicPort: port } });
  const error = await cluster.driver.apply(moved, never).catch((thrown: unknown) => thrown);
  expect(error).toMatchObject({ code: "PORT_IN_USE", details: { reason: "PortInUse", port: String(port) } });
  expect(isDrawbridgeError(error) && error.message).toContain(`pid ${process.pid}`);
  expect(await answersOf(cluster, app.appId)).toBe("one");
  expect((await observed(cluster.driver, app.appId)).endpoints).toHaveLength(1);

  squatter.close();
  await once(squatter, "close");
  await cluster.driver.apply(moved, never);
  expect(await endpointOf(cluster.driver, app.appId)).toBe(`http://127.0.0.1:${port}`);
  expect((await observed(cluster.driver, app.appId)).endpoints).toHaveLength(1);
  expect(await answersOf(cluster, app.appId)).toBe("two");
});

test("the port of another app is refused, also while that app is stopped", async () => {
  await using cluster = await openProcessCluster();
  const app = anApp();
  await cluster.driver.apply(app, never);
  const port = Number(new URL(await endpointOf(cluster.driver, app.appId)).port);
  await cluster.driver.apply({ ...app, generation: 2n, desiredState: "stopped" }, never);
  const other = anApp({ change: { publicPort: port, name: "other" } });
  const error = await cluster.driver.apply(other, never).catch((thrown: unknown) => thrown);
  expect(error).toMatchObject({ code: "PORT_IN_USE", details: { holder: "app shop in test" } });
});

test.each([
  { what: "buffers", behaviour: "eat-buffers" },
  { what: "the JavaScript heap", behaviour: "eat-heap" },
])("an app that fills its memory with $what ends as out of memory, and is restarted", async ({ behaviour }) => {
  await using cluster = await openProcessCluster();
  const app = anApp({ behaviour, memoryMiB: 96 });
  const applying = cluster.driver.apply(app, never).catch(() => undefined); // it may be ready before it ends, or not
  await eventually(async () => {
    const current = readCurrentApp(appPaths(cluster.stateDirectory, app.appId));
    return current.replicas.some((replica) => replica.exits > 0 && replica.lastExit === "out of memory");
  });
  await applying;
});

test("stopping ends children that left the process group and ignore SIGTERM", async () => {
  await using cluster = await openProcessCluster();
  const app = anApp({ behaviour: "leave-child", drainSeconds: 1 });
  await cluster.driver.apply(app, never);
  const marker = `DRAWBRIDGE_APP_ID=${app.appId}\0DRAWBRIDGE_REPLICA=r1-`;
  expect(processesWith(marker).length).toBeGreaterThan(1);
  await cluster.driver.apply({ ...app, generation: 2n, desiredState: "stopped" }, never);
  expect(processesWith(marker)).toEqual([]);
});

test("secrets are in no command line, no state file and in nobody's environment but the app's", async () => {
  await using cluster = await openProcessCluster();
  const secret = `secret-${randomUUID()}`;
  const app = anApp({ change: { secrets: { PASSWORD: secret } } });
  await cluster.driver.apply(app, never);
  const { app: process } = unitOf(cluster, app.appId, "replicas");
  const carriers = processesWith(secret);
  expect(carriers).toEqual([process.pid]);
  expect(readProc(process.pid, "cmdline")).not.toContain(secret);
  const { directory } = appPaths(cluster.stateDirectory, app.appId);
  for (const entry of readdirSync(directory, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile()) continue;
    const path = join(entry.parentPath, entry.name);
    expect(readFileSync(path, "utf8"), path).not.toContain(secret);
    expect(statSync(path).mode & 0o077, path).toBe(0);
  }
});

test("a missing program is a crash loop that says so", async () => {
  await using cluster = await openProcessCluster();
  const error = await cluster.driver
    .apply(anApp({ command: ["no-such-program"] }), never)
    .catch((thrown: unknown) => thrown);
  expect(error).toMatchObject({ code: "APP_CRASH_LOOP", details: { lastExit: "cannot start (ENOENT)" } });
});

test("a front that takes the place of a killed one goes on with what that had counted (MON)", async () => {
  await using cluster = await openProcessCluster();
  const app = anApp();
  await cluster.driver.apply(app, never);
  const replicaId = basename(onlyUnit(cluster, app.appId, "replicas"));
  const counted = () =>
    readTraffic(trafficPath(onlyUnit(cluster, app.appId, "fronts")))?.replicas.find(
      (replica) => replica.appId === app.appId && replica.replicaId === replicaId,
    );
  for (let request = 0; request < 3; request += 1) await get(cluster.driver, app.appId);
  await eventually(() => counted()?.requests === 3);
  kill(unitOf(cluster, app.appId, "fronts").app);
  await eventually(() => answersOf(cluster, app.appId).catch(() => undefined)); // nobody listens for a moment
  await eventually(() => counted()?.requests === 4);
  expect(counted()).toMatchObject({ errors: 0 });
});
