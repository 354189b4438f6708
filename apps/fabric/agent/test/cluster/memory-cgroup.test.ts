import { mkdirSync, readFileSync, rmdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { appPaths } from "../../src/cluster/process/app-folder.ts";
import { readCurrentApp } from "../../src/cluster/process/read-current-app.ts";
import { tempDir } from "@drawbridge/testkit";
import { openMemoryCgroup } from "../../src/shim/memory-cgroup.ts";
import { anApp, eventually, never } from "./harness.ts";
import { openProcessCluster } from "./process-cluster.ts";

const root = "/sys/fs/cgroup";

/** A cgroup v2 folder whose children may limit their memory, where this machine lets us make one. */
function delegatedCgroup(): (Disposable & { readonly path: string }) | undefined {
  const path = join(root, `drawbridge-test-${process.pid}`);
  try {
    if (!readFileSync(join(root, "cgroup.subtree_control"), "utf8").split(/\s/).includes("memory")) return undefined;
    mkdirSync(path);
    writeFileSync(join(path, "cgroup.subtree_control"), "+memory");
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
  expect(openMemoryCgroup({ parent: folder.path, name: "child", limitBytes: 1_000_000 })).toBeUndefined();
  expect(
    openMemoryCgroup({ parent: join(folder.path, "missing"), name: "child", limitBytes: 1_000_000 }),
  ).toBeUndefined();
  rmdirSync(folder.path); // only an empty folder can be removed like this
});
