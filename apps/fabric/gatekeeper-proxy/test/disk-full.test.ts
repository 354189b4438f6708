import { spawnSync } from "node:child_process";
import { closeSync, mkdirSync, openSync, readFileSync, rmSync, writeSync } from "node:fs";
import { join } from "node:path";
import { createTestCa, freePort, tempDir, type TestCa } from "@drawbridge/testkit";
import type { IdentitySnapshot } from "@drawbridge/pki";
import { beforeAll, expect, test } from "vitest";
import { buildTree, signTree, stamp, type SignedTree } from "./support/api-tree.ts";
import { startGateway, until, type GatewayProcess } from "./support/gateway-process.ts";
import { startScriptedAgent } from "./support/scripted-agent.ts";
import { anApi, TestFabric } from "./support/test-app.ts";

/* The gateway's folder on a file system of its own that is really full, where the kernel lets us mount one. */
const fabricId = "0198c0de-0000-7000-8000-000000000003";
let ca: TestCa;
let signer: IdentitySnapshot;
let revision = 0;

beforeAll(async () => {
  ca = await createTestCa();
  signer = await ca.issueService("api-manager");
});

const mount = (path: string): boolean =>
  spawnSync("mount", ["-t", "tmpfs", "-o", "size=4m", "tmpfs", path]).status === 0;
const unmount = (path: string): void => void spawnSync("umount", ["--lazy", path]);

async function canMount(): Promise<boolean> {
  await using folder = await tempDir();
  const isMounted = mount(folder.path);
  if (isMounted) unmount(folder.path);
  return isMounted;
}

function published(set: string): Promise<SignedTree> {
  revision += 1;
  const document = { revision, policies: [stamp(set)] };
  const apis = ["strict", "flexible"].map((name) => ({ environment: "production", name, version: "1.0.0", document }));
  return signTree(buildTree(apis), { signer, fabricId, revision });
}

/** Take what is left, to the last byte. */
function fill(path: string): void {
  const file = openSync(path, "w");
  try {
    for (const size of [65_536, 4_096, 1]) {
      try {
        for (;;) writeSync(file, Buffer.alloc(size));
      } catch {
        // not that much is left
      }
    }
  } finally {
    closeSync(file);
  }
}

test.skipIf(!(await canMount()))(
  "on a full disk gates open all the same, and a restart uses what was last complete (GK 3)",
  async () => {
    await using stack = new AsyncDisposableStack();
    const folder = stack.use(await tempDir());
    const directory = join(folder.path, "gateway");
    mkdirSync(directory, { mode: 0o700 });
    mount(directory);
    stack.defer(() => unmount(directory));
    const fabric = stack.use(new TestFabric(folder.path));
    expect(fabric.directory).toBe(directory);
    const strict = await fabric.addApp("strict");
    const flexible = await fabric.addApp("flexible");
    await strict.deploy({ key: "one", level: "strict", apis: [anApi("strict")] });
    await flexible.deploy({ key: "one", level: "flexible", apis: [anApi("flexible")] });
    fabric.writeRoutes();
    const agent = stack.use(await startScriptedAgent({ socketPath: fabric.feedSocket, trustBundle: ca.trustBundle }));
    const env = {
      NODE_COMPILE_CACHE: join(folder.path, "compile-cache"),
      DRAWBRIDGE_ADMIN_LISTEN: `127.0.0.1:${await freePort()}`,
    };
    const start = (): Promise<GatewayProcess> => startGateway({ directory, fabricId, env });
    const ask = async (): Promise<readonly [number, string | undefined]> => {
      const before = flexible.arrived.length;
      const response = await fetch(`${flexible.url}/flexible/1`);
      await response.text();
      return [response.status, flexible.arrived[before]?.set];
    };
    const inForce = async (gateway: GatewayProcess): Promise<void> =>
      until(async () => {
        const { gates } = await gateway.view();
        return gates.length === 2 && gates.every((gate) => gate.state === "live" && gate.appliedRevision === revision);
      });

    const first = await start();
    stack.defer(() => first.kill());
    agent.announce(await published("a"));
    await inForce(first);
    await until(async () => (await first.view()).cache === "ok");

    const filler = join(directory, "filler");
    fill(filler);
    agent.announce(await published("b"));
    await inForce(first);
    expect(await ask()).toEqual([200, "b"]);
    await until(async () => (await first.view()).cache === "the cache cannot be written (ENOSPC)");
    const ready = await first.admin("/readyz");
    expect([ready.status, await ready.json()]).toMatchObject([200, { degraded: ["cache"] }]);

    await first.kill();
    await agent.kill();
    const second = await start();
    stack.defer(() => second.kill());
    await until(async () => (await second.gate("flexible"))?.state === "cached");
    await until(async () => (await second.gate("strict"))?.state === "offline");
    await until(() => flexible.status()?.phase === "listening");
    expect(await ask()).toEqual([200, "a"]);
    expect((await fetch(`${strict.url}/strict/1`)).status).toBe(503);

    await agent.start();
    agent.announce(await published("c"));
    await inForce(second);
    rmSync(filler);
    await until(async () => (await second.view()).cache === "ok");
    const mended = (await (await second.admin("/readyz")).json()) as object;
    expect(mended).toMatchObject({ ready: true });
    expect(mended).not.toHaveProperty("degraded");
    // Where the admin listener is could not be written either.
    await until(() => readFileSync(join(directory, "admin.json"), "utf8").includes(`"pid":${second.pid}`));
    await second.kill();
    await agent.kill();
    const third = await start();
    stack.defer(() => third.kill());
    await until(async () => (await third.gate("flexible"))?.state === "cached");
    await until(() => flexible.status()?.phase === "listening");
    expect(await ask()).toEqual([200, "c"]);
  },
);
