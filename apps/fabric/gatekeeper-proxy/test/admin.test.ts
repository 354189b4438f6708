import { execFile } from "node:child_process";
import { readFileSync, statSync } from "node:fs";
import { createServer, type Socket } from "node:net";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { IdentitySnapshot } from "@drawbridge/pki";
import { createTestCa, tempDir, type TestCa } from "@drawbridge/testkit";
import { beforeAll, expect, test } from "vitest";
import { brokenPolicy, buildTree, signTree, type TestApi } from "./support/api-tree.ts";
import { startGateway, until } from "./support/gateway-process.ts";
import { startScriptedAgent } from "./support/scripted-agent.ts";
import { anApi, TestFabric } from "./support/test-app.ts";

/* What a person or a probe on the machine can learn and do, without agent and control plane (GK 8). */
const fabricId = "0198c0de-0000-7000-8000-000000000001";
let ca: TestCa;
let signer: IdentitySnapshot;

beforeAll(async () => {
  ca = await createTestCa();
  signer = await ca.issueService("api-manager");
});

function api(name: string, policies: NonNullable<TestApi["document"]>["policies"] = []): TestApi {
  return { environment: "production", name, version: "1.0.0", document: { revision: 4, policies } };
}

/** The program's own command. */
function gates(
  directory: string,
  ...parameters: readonly string[]
): Promise<{ code: number; out: string; err: string }> {
  const main = fileURLToPath(new URL("../src/main.ts", import.meta.url));
  const env = { PATH: process.env["PATH"], DRAWBRIDGE_STATE_DIR: directory };
  return new Promise((resolve) => {
    execFile(process.execPath, [main, "gates", ...parameters], { env }, (error, out, err) => {
      resolve({ code: typeof error?.code === "number" ? error.code : 0, out, err });
    });
  });
}

test("every gate is explained on the machine: state, level and its source, which policy, which field (GK 8)", async () => {
  await using folder = await tempDir();
  await using fabric = new TestFabric(folder.path);
  const app = await fabric.addApp("shop");
  await app.deploy({ key: "one", level: "strict", apis: [anApi("orders"), anApi("stock")] });
  fabric.writeRoutes();
  await using agent = await startScriptedAgent({ socketPath: fabric.feedSocket, trustBundle: ca.trustBundle });
  await using gateway = await startGateway({ directory: fabric.directory, fabricId });
  agent.announce(
    await signTree(buildTree([api("orders"), api("stock", [brokenPolicy])]), { signer, fabricId, revision: 1 }),
  );
  await until(async () => (await gateway.gate("orders"))?.state === "live");
  await until(async () => (await gateway.gate("stock"))?.state === "policy_error");

  expect(await gateway.gate("stock")).toMatchObject({
    app: "shop",
    environment: "production",
    basePath: "/stock",
    isServing: false,
    level: "strict",
    levelSource: "app",
    reason: "POLICY_INVALID",
    problems: [{ policyName: "of another world" }],
    desiredRevision: 4,
    appliedRevision: 0,
  });
  expect((await gateway.admin("/gatekeeper/shop")).status).toBe(200);
  expect((await gateway.admin("/gatekeeper/nobody")).status).toBe(404);

  const shown = await gates(fabric.directory);
  expect(shown.code).toBe(3);
  expect(shown.out).toContain("BLOCKED: policy_error");
  expect(shown.out).toContain('Policy "of another world"');
  expect(shown.out).toContain("serving: live");
  expect(JSON.parse((await gates(fabric.directory, "shop", "--json")).out)).toMatchObject({ gatewayId: "gateway-0" });
  expect((await gates(fabric.directory, "nobody")).code).toBe(1);
  expect((await gates(fabric.directory, "--wrong")).code).toBe(2);
  await gateway.stop();
  expect(await gates(fabric.directory)).toMatchObject({ code: 1, err: expect.stringContaining("no gateway runs") });
});

test("a gateway is ready when every gate has come to a decision, also to a closed one (GK 1)", async () => {
  await using folder = await tempDir();
  await using fabric = new TestFabric(folder.path);
  const app = await fabric.addApp("shop");
  await app.deploy({ key: "one", level: "strict", apis: [anApi("orders")] });
  fabric.writeRoutes();
  await using gateway = await startGateway({
    directory: fabric.directory,
    fabricId,
    env: { DRAWBRIDGE_CONNECT_DEADLINE_SECONDS: "60" },
  });
  // The agent is connected and says nothing: nothing is decided.
  await using agent = await startScriptedAgent({ socketPath: fabric.feedSocket, trustBundle: ca.trustBundle });
  agent.linkUp();
  await until(async () => (await gateway.gate("orders"))?.state === "fetching");
  const waiting = await gateway.admin("/readyz");
  expect(waiting.status).toBe(503);
  expect(await waiting.json()).toMatchObject({ checks: { gates: "1 gates have come to no decision yet" } });
  expect((await gateway.admin("/livez")).status).toBe(200);
  agent.announce(await signTree(buildTree([api("orders", [brokenPolicy])]), { signer, fabricId, revision: 1 }));
  await until(async () => (await gateway.admin("/readyz")).status === 200);
  expect((await gateway.gate("orders"))?.state).toBe("policy_error");
  const metrics = await (await gateway.admin("/metrics")).text();
  expect(metrics).toMatch(/drawbridge_gatekeeper_proxy_gates\{.*state="policy_error".*\} 1/);
});

test("draining is for who has the token: not ready, no new connections, requests under way end", async () => {
  await using folder = await tempDir();
  await using fabric = new TestFabric(folder.path);
  const app = await fabric.addApp("shop");
  await app.deploy({ key: "one", level: "strict", apis: [] });
  fabric.writeRoutes();
  await using gateway = await startGateway({ directory: fabric.directory, fabricId });
  await until(() => app.status()?.phase === "listening");
  const tokenPath = join(fabric.directory, "admin-token");
  expect(statSync(tokenPath).mode & 0o777).toBe(0o600);
  expect((await gateway.admin("/drain", { method: "POST" })).status).toBe(401);
  expect((await gateway.admin("/readyz")).status).toBe(200);
  const authorization = `Bearer ${readFileSync(tokenPath, "utf8").trim()}`;
  expect((await gateway.admin("/drain", { method: "POST", headers: { authorization } })).status).toBe(202);
  await until(() =>
    fetch(`${app.url}/`).then(
      () => false,
      () => true,
    ),
  );
  expect((await gateway.admin("/readyz")).status).toBe(503);
  await until(() => app.status()?.phase === "stopping");
  await gateway.stop();
});

test("a port that somebody else has is tried until it is free, and the other apps are served meanwhile", async () => {
  await using folder = await tempDir();
  await using fabric = new TestFabric(folder.path);
  const taken = await fabric.addApp("taken");
  const free = await fabric.addApp("free");
  await taken.deploy({ key: "one", level: "strict", apis: [] });
  await free.deploy({ key: "two", level: "strict", apis: [] });
  const holder = createServer((socket: Socket) => socket.destroy());
  await new Promise<void>((resolve) => void holder.listen(Number(new URL(taken.url).port), "127.0.0.1", resolve));
  fabric.writeRoutes();
  await using gateway = await startGateway({ directory: fabric.directory, fabricId });
  await until(() => taken.status()?.phase === "port_in_use");
  expect(taken.status()?.detail).toContain(String(process.pid));
  await until(() => free.status()?.phase === "listening");
  expect(await (await fetch(free.url)).text()).toBe("answer of two");
  expect(await (await gateway.admin("/readyz")).json()).toMatchObject({ ready: true, degraded: ["ports"] });
  await new Promise((resolve) => void holder.close(resolve));
  await until(() => taken.status()?.phase === "listening");
  expect(await (await fetch(taken.url)).text()).toBe("answer of one");
});
