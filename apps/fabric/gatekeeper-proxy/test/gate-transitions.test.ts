import { createTestCa, tempDir, type TestCa } from "@drawbridge/testkit";
import type { IdentitySnapshot } from "@drawbridge/pki";
import { beforeAll, expect, test } from "vitest";
import { buildTree, signTree, type SignedTree, type TestApi } from "./support/api-tree.ts";
import { startGateway, until } from "./support/gateway-process.ts";
import { startScriptedAgent } from "./support/scripted-agent.ts";
import { anApi, TestFabric } from "./support/test-app.ts";

const fabricId = "0198c0de-0000-7000-8000-000000000001";
let ca: TestCa;
let signer: IdentitySnapshot;
let revision = 0;

beforeAll(async () => {
  ca = await createTestCa();
  signer = await ca.issueService("api-manager");
});

function published(...apis: readonly TestApi[]): Promise<SignedTree> {
  revision += 1;
  return signTree(buildTree(apis), { signer, fabricId, revision });
}

const orders = (document?: TestApi["document"]): TestApi => ({
  environment: "production",
  name: "orders",
  version: "1.0.0",
  ...(document && { document }),
});

test("a tracked resource answers 503 until its policies are applied, then serves (GK 1)", async () => {
  await using folder = await tempDir();
  await using fabric = new TestFabric(folder.path);
  const app = await fabric.addApp("shop");
  await app.deploy({ key: "one", level: "strict", apis: [anApi("orders")] });
  fabric.writeRoutes();
  await using agent = await startScriptedAgent({ socketPath: fabric.feedSocket, trustBundle: ca.trustBundle });
  await using gateway = await startGateway({ directory: fabric.directory, fabricId });
  await until(() => app.status()?.phase === "listening");

  const blocked = await fetch(`${app.url}/orders/1`);
  expect(blocked.status).toBe(503);
  expect(blocked.headers.get("retry-after")).toBe("5");
  expect(await blocked.json()).toMatchObject({ type: "urn:drawbridge:error:GATEKEEPER_BLOCKED" });
  const untracked = await fetch(`${app.url}/health`);
  expect(await untracked.text()).toBe("answer of one");

  agent.announce(await published(orders({ revision: 1 })));
  await until(async () => (await gateway.gate("orders"))?.state === "live");
  const served = await fetch(`${app.url}/orders/1`);
  expect(await served.text()).toBe("answer of one");
  expect(app.arrived).toEqual(["one /health", "one /orders/1"]);
  await until(() => agent.gates().get("orders")?.state === "live");
  expect(agent.gates().get("orders")).toMatchObject({ level: "strict", appliedRevision: 1n, deployment: "one" });
  expect(await gateway.stop()).toBe(0);
});
