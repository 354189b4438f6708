import { randomUUID } from "node:crypto";
import { spawnSync } from "node:child_process";
import { chmodSync, chownSync, cpSync, mkdirSync, readdirSync, statSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { isDrawbridgeError } from "@drawbridge/errors";
import { tempDir } from "@drawbridge/testkit";
import { expect, test } from "vitest";
import { appPaths } from "../../src/cluster/process/app-folder.ts";
import { assertMayRunAs } from "../../src/cluster/process/check-app-users.ts";
import { closeStateFolder } from "../../src/state/close-state-folder.ts";
import { stateLayout } from "../../src/state/state-layout.ts";
import { runAgentCommand } from "../support/run-command.ts";
import { anApp, get, never, nextRevision, observed, type AppOptions } from "./harness.ts";
import { openProcessCluster } from "./process-cluster.ts";

const isRoot = process.getuid?.() === 0;
const own = { kind: "own", from: 300_000, to: 300_009 } as const;

/** The agent's state folder with a key and an unpacked bundle in it, as on a machine. */
async function openMachine() {
  const folder = await tempDir();
  chmodSync(folder.path, 0o711); // what is above the state folder is not the agent's to open
  const root = join(folder.path, "state");
  const layout = stateLayout(root);
  mkdirSync(layout.identity, { recursive: true });
  writeFileSync(join(layout.identity, "tls.key"), "the agent's key", { mode: 0o644 }); // its folder must do
  for (const private_ of [layout.recoveryKey, layout.trustBundle, join(layout.configurations, "a.json")]) {
    mkdirSync(dirname(private_), { recursive: true });
    writeFileSync(private_, "private");
  }
  const bundle = join(layout.bundles, "a".repeat(64));
  mkdirSync(layout.bundles, { recursive: true });
  cpSync(join(import.meta.dirname, "fixtures"), bundle, { recursive: true });
  await closeStateFolder(root, "open");
  return {
    root,
    layout,
    anApp: (options: AppOptions = {}) => anApp({ ...options, change: { ...options.change, bundleDirectory: bundle } }),
    openCluster: (appUsers: typeof own | { kind: "shared"; runAs: { uid: number; gid: number } }) =>
      openProcessCluster({ stateDirectory: layout.cluster, appUsers }),
    [Symbol.asyncDispose]: () => folder[Symbol.asyncDispose](),
  };
}

/** What a user may read or list, tried by a process of his. */
function mayRead(uid: number, path: string): boolean {
  return spawnSync("test", ["-r", path], { uid, gid: uid }).status === 0;
}

test.skipIf(!isRoot)("each app runs as a user of its own and serves (PRV 1)", async () => {
  await using machine = await openMachine();
  assertMayRunAs(own, machine.layout.cluster);
  await using cluster = await machine.openCluster(own);
  const [first, second] = [machine.anApp({ answer: "one" }), machine.anApp({ answer: "two" })];
  for (const app of [first, second]) await cluster.driver.apply(app, never);
  const who = async (appId: string) =>
    JSON.parse((await get(cluster.driver, appId, "/who")).body) as { uid: number; cwd: string };
  const [one, two] = [await who(first.appId), await who(second.appId)];
  expect(one.uid).not.toBe(two.uid);
  for (const { uid } of [one, two]) expect(uid >= own.from && uid <= own.to).toBe(true);
  expect(one.cwd).toContain(first.appId);
  expect((await get(cluster.driver, second.appId)).body).toBe("two");
});

test.skipIf(!isRoot)("an app's user reads its bundle, and nothing of the agent's or of another app's", async () => {
  await using machine = await openMachine();
  await using cluster = await machine.openCluster(own);
  const [first, second] = [machine.anApp(), machine.anApp()];
  for (const app of [first, second]) await cluster.driver.apply(app, never);
  const { uid, cwd } = JSON.parse((await get(cluster.driver, first.appId, "/who")).body) as {
    uid: number;
    cwd: string;
  };
  expect(mayRead(uid, join(cwd, "app.mjs"))).toBe(true);

  const { layout } = machine;
  const closed = [
    machine.root,
    join(layout.identity, "tls.key"),
    layout.recoveryKey,
    layout.trustBundle,
    join(layout.configurations, "a.json"),
    join(layout.bundles, "a".repeat(64), "app.mjs"),
    join(layout.cluster, "apps"),
    ...filesBelow(appPaths(layout.cluster, second.appId).directory),
    ...filesBelow(appPaths(layout.cluster, first.appId).directory).filter(
      (path) => /\.(json|jsonl|log)$/.test(path) && !path.includes("/bundles/"),
    ),
  ];
  expect(closed.filter((path) => mayRead(uid, path))).toEqual([]);
  const otherPid = await pidOf(cluster.driver, second.appId);
  expect(mayRead(uid, `/proc/${otherPid}/environ`)).toBe(false);
  const written = spawnSync("sh", ["-c", `echo x > ${cwd}/app.mjs || echo x > ${cwd}/new`], { uid, gid: uid });
  expect(written.status).not.toBe(0);
});

async function pidOf(driver: Parameters<typeof get>[0], appId: string): Promise<number> {
  return (JSON.parse((await get(driver, appId, "/who")).body) as { pid: number }).pid;
}

function filesBelow(directory: string): readonly string[] {
  return readdirSync(directory, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name));
}

test.skipIf(!isRoot)(
  "an app keeps its user through updates, and the bundle of the version before is removed",
  async () => {
    await using machine = await openMachine();
    await using cluster = await machine.openCluster(own);
    const app = machine.anApp();
    await cluster.driver.apply(app, never);
    const who = async () => (JSON.parse((await get(cluster.driver, app.appId, "/who")).body) as { uid: number }).uid;
    const before = await who();
    const next = join(machine.layout.bundles, "b".repeat(64));
    cpSync(app.bundleDirectory, next, { recursive: true });
    await cluster.newDriver().apply(nextRevision(app, { change: { bundleDirectory: next } }), never);
    expect(await who()).toBe(before);
    expect(readdirSync(appPaths(machine.layout.cluster, app.appId).bundles)).toEqual(["b".repeat(64)]);
  },
);

test.skipIf(!isRoot)("another setting of the user replaces what runs as the earlier one", async () => {
  await using machine = await openMachine();
  const app = machine.anApp();
  await using before = await openProcessCluster({ stateDirectory: machine.layout.cluster });
  await before.driver.apply(app, never);
  await using cluster = await machine.openCluster({ kind: "shared", runAs: { uid: 65_533, gid: 65_533 } });
  await cluster.driver.apply(app, never);
  expect(JSON.parse((await get(cluster.driver, app.appId, "/who")).body)).toMatchObject({ uid: 65_533 });
  expect((await observed(cluster.driver, app.appId)).replicas).toHaveLength(1);
});

test.skipIf(!isRoot)("an app for which no user is left is refused by name", async () => {
  await using machine = await openMachine();
  await using cluster = await openProcessCluster({
    stateDirectory: machine.layout.cluster,
    appUsers: { kind: "own", from: 300_000, to: 300_000 },
  });
  await cluster.driver.apply(machine.anApp(), never);
  const error = await cluster.driver.apply(machine.anApp(), never).catch((thrown: unknown) => thrown);
  expect(error).toMatchObject({ code: "APP_USERS_EXHAUSTED", details: { reason: "AppUsersExhausted" } });
});

test.skipIf(!isRoot)(
  "a state folder to which the apps' user cannot get is refused by the folder that is closed",
  async () => {
    await using folder = await tempDir(); // 0700
    const error = catchError(() => assertMayRunAs(own, folder.path));
    expect(error).toMatchObject({ code: "STATE_FOLDER_UNUSABLE", details: { directory: folder.path } });
  },
);

test.skipIf(!isRoot)("run refuses to start when it is told to change users and is not root", async () => {
  await using folder = await tempDir();
  const state = join(folder.path, "state");
  mkdirSync(state, { mode: 0o700 });
  for (const path of [folder.path, state]) chownSync(path, 65_534, 65_534);
  const result = await runAgentCommand(["run"], {
    env: { DRAWBRIDGE_STATE_DIR: state, DRAWBRIDGE_APP_USER: "1500", DRAWBRIDGE_OPS_LISTEN: "127.0.0.1:0" },
    uid: 65_534,
  });
  expect(result).toMatchObject({ exitCode: 1, out: "", err: expect.stringContaining("[APP_USER_NOT_ALLOWED]") });
  expect(result.err).toContain("Run the agent as root, or leave DRAWBRIDGE_APP_USER out");
});

test.each([
  ["CAP_SYS_PTRACE taken away", "-sys_ptrace", "SYS_PTRACE"],
  ["CAP_SETUID taken away", "-setuid", "SETUID"],
])("run refuses to change users with %s", async (_what, drop, name) => {
  if (!isRoot || spawnSync("setpriv", ["--version"]).status !== 0) return;
  await using folder = await tempDir();
  chmodSync(folder.path, 0o711);
  const main = join(import.meta.dirname, "../../src/main.ts");
  const { status, stderr } = spawnSync(
    "setpriv",
    [`--bounding-set=${drop}`, `--inh-caps=${drop}`, process.execPath, main, "run"],
    { env: { DRAWBRIDGE_STATE_DIR: join(folder.path, randomUUID()), DRAWBRIDGE_APP_USER: "1500" }, encoding: "utf8" },
  );
  expect(stderr).toContain(`lacks ${name}`);
  expect(status).toBe(1);
});

test("a state folder is closed again, whatever somebody did to it, and only its passage is open", async () => {
  await using folder = await tempDir();
  const layout = stateLayout(folder.path);
  for (const directory of [layout.identity, layout.desired]) mkdirSync(directory, { mode: 0o755 });
  writeFileSync(layout.state, "{}", { mode: 0o644 });
  await closeStateFolder(folder.path, "open");
  const mode = (path: string) => (statSync(path).mode & 0o777).toString(8);
  expect([folder.path, layout.cluster, layout.identity, layout.desired, layout.state].map(mode)).toEqual([
    "711",
    "711",
    "700",
    "700",
    "600",
  ]);
});

function catchError(work: () => unknown): unknown {
  try {
    work();
  } catch (error) {
    return isDrawbridgeError(error) ? error : undefined;
  }
  return undefined;
}
