import { mkdirSync, readFileSync, rmdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { appPaths } from "../../src/cluster/process/app-folder.ts";
import { assertCgroupParent } from "../../src/cluster/process/check-cgroup.ts";
import { readCurrentApp } from "../../src/cluster/process/read-current-app.ts";
import { tempDir } from "@drawbridge/testkit";
import { failureOf } from "../../src/control/failure-reason.ts";
import { openUnitCgroup } from "../../src/shim/unit-cgroup.ts";
import { runAgentCommand } from "../support/run-command.ts";
import { anApp, eventually, never } from "./harness.ts";
import { openProcessCluster } from "./process-cluster.ts";

const root = "/sys/fs/cgroup";

/** A cgroup v2 folder whose children may limit their memory, where this machine lets us make one. */
function delegatedCgroup(): (Disposable & { readonly path: string }) | undefined {
  const path = join(root, `drawbridge-test-${process.pid}`);
  try {
    if (!readFileSync(join(root, "cgroup.subtree_control"), "utf8").split(/\s/).includes("memory")) return undefined;
    mkdirSync(path);
    writeFileSync(join(path, "cgroup.subtree_control"), "+memory +cpu");
  } catch {
    return undefined;
  }
  return { path, [Symbol.dispose]: () => rmdirSync(path) };
}

test("the kernel ends an app at its limit where a cgroup is delegated to the agent", async (context) => {
  using delegated = delegatedCgroup();
  if (delegated === undefined) return context.skip("no cgroup v2 with the memory controller may be made here");
  await using cluster = await openProcessCluster({ cgroupParent: delegated.path });
  const app = anApp({ behaviour: "eat-buffers", memoryMiB: 96 });
  const applying = cluster.driver.apply(app, never).catch(() => undefined); // it may be ready before it ends, or not
  await eventually(() => {
    const { replicas } = readCurrentApp(appPaths(cluster.stateDirectory, app.appId));
    return replicas.some((replica) => replica.lastExit === "out of memory");
  });
  await applying;
});

test("leaves the limit to the watchdog where the folder is no cgroup, and leaves nothing behind", async () => {
  await using folder = await tempDir();
  const limits = { memoryBytes: 1_000_000, cpuMillis: 500 };
  expect(openUnitCgroup({ directory: join(folder.path, "child"), ...limits })).toBeUndefined();
  expect(openUnitCgroup({ directory: join(folder.path, "missing", "child"), ...limits })).toBeUndefined();
  rmdirSync(folder.path); // only an empty folder can be removed like this
});

/** The files of a cgroup v2 folder as far as the check reads them. */
async function folderWith(controllers: string, subtree: string) {
  const folder = await tempDir();
  writeFileSync(join(folder.path, "cgroup.controllers"), controllers);
  writeFileSync(join(folder.path, "cgroup.subtree_control"), subtree);
  return folder;
}

test("a folder that is no cgroup, or has not both controllers, is refused and says what is missing", async () => {
  await using plain = await tempDir();
  expect(() => assertCgroupParent(plain.path)).toThrow("it is no cgroup v2 folder");
  await using withoutMemory = await folderWith("cpu io pids\n", "cpu\n");
  expect(() => assertCgroupParent(withoutMemory.path)).toThrow("it has no memory controller");
  await using whole = await folderWith("cpu memory pids\n", "cpu memory\n");
  expect(assertCgroupParent(whole.path)).toContain(whole.path);
});

test("an app whose limits cannot be kept is not started, and its condition says why", async () => {
  await using folder = await folderWith("pids\n", "");
  await using cluster = await openProcessCluster({ cgroupParent: folder.path });
  const app = anApp();
  const error = await cluster.driver.apply(app, never).catch((thrown: unknown) => thrown);
  expect(error).toMatchObject({ code: "CGROUP_UNUSABLE", details: { reason: "CgroupUnusable" } });
  expect(failureOf(error, "apply")).toMatchObject({ reason: "CgroupUnusable" });
});

test("run refuses to start, and doctor says so, where the cgroup has no controllers", async () => {
  await using folder = await tempDir();
  await using cgroup = await folderWith("pids\n", "");
  const env = { DRAWBRIDGE_STATE_DIR: join(folder.path, "state"), DRAWBRIDGE_CGROUP_PARENT: cgroup.path };
  const run = await runAgentCommand(["run"], { env });
  expect(run).toMatchObject({ exitCode: 1, err: expect.stringContaining("[CGROUP_UNUSABLE]") });
  const doctor = await runAgentCommand(["doctor"], { env });
  expect(doctor.out).toMatch(/FAILED\s+cgroup\s+.*it has no memory and no cpu controller/);
  expect(doctor.exitCode).toBe(1);
});
