import type { IdentitySnapshot } from "@drawbridge/pki";
import { createTestCa, tempDir, type TestCa } from "@drawbridge/testkit";
import { beforeAll, expect, test } from "vitest";
import { aContract, aPolicy, buildTree, signTree, stamp, type SignedTree, type TestApi } from "./support/api-tree.ts";
import { startGateway, until, type GatewayProcess } from "./support/gateway-process.ts";
import { startScriptedAgent, type ScriptedAgent } from "./support/scripted-agent.ts";
import { anApi, TestFabric, type TestApp } from "./support/test-app.ts";

/* What comes from the agent is checked by the gateway itself, and a fault touches the APIs that need what is faulty. */
const fabricId = "0198c0de-0000-7000-8000-000000000001";
let ca: TestCa;
let signer: IdentitySnapshot;

beforeAll(async () => {
  ca = await createTestCa();
  signer = await ca.issueService("api-manager");
});

function api(name: string, document?: TestApi["document"]): TestApi {
  return { environment: "production", name, version: "1.0.0", ...(document && { document }) };
}

interface Stage extends AsyncDisposable {
  readonly app: TestApp;
  readonly agent: ScriptedAgent;
  readonly gateway: GatewayProcess;
}

async function serve(...names: readonly string[]): Promise<Stage> {
  const stack = new AsyncDisposableStack();
  const folder = stack.use(await tempDir());
  const fabric = stack.use(new TestFabric(folder.path));
  const app = await fabric.addApp("shop");
  await app.deploy({ key: "one", level: "flexible", apis: names.map((name) => anApi(name)) });
  fabric.writeRoutes();
  const agent = stack.use(await startScriptedAgent({ socketPath: fabric.feedSocket, trustBundle: ca.trustBundle }));
  const gateway = stack.use(await startGateway({ directory: fabric.directory, fabricId }));
  return { app, agent, gateway, [Symbol.asyncDispose]: () => stack.disposeAsync() };
}

const state = async (gateway: GatewayProcess, name: string) => (await gateway.gate(name))?.state;
const reach = (gateway: GatewayProcess, name: string, expected: string): Promise<void> =>
  until(async () => (await state(gateway, name)) === expected);

test("an object that cannot be had keeps closed the API that needs it, and no other (GK 1)", async () => {
  await using stage = await serve("orders", "stock");
  const { agent, gateway } = stage;
  const tree = await signTree(
    buildTree([api("orders", { revision: 1 }), api("stock", { revision: 1, contracts: [aContract("c", "s")] })]),
    { signer, fabricId, revision: 1 },
  );
  const missing = tree.documents.get("production\norders\n1.0.0") ?? "";
  agent.announce(tree, { withoutObjects: [missing] });
  await reach(gateway, "stock", "live");
  await until(async () => (await gateway.gate("orders"))?.reason === "OBJECTS_MISSING");
  expect((await gateway.gate("stock"))?.contracts).toBe(1);
  agent.announce(tree);
  await reach(gateway, "orders", "live");
});

test("an API without an entry is unknown, one without a document does not exist, one without policies is complete (GK 1)", async () => {
  await using stage = await serve("unknown", "nowhere", "empty");
  const { agent, gateway } = stage;
  agent.announce(
    await signTree(buildTree([api("nowhere"), api("empty", { revision: 3 })]), { signer, fabricId, revision: 1 }),
  );
  await reach(gateway, "empty", "live");
  await reach(gateway, "nowhere", "unresolved");
  expect(await gateway.gate("empty")).toMatchObject({ policies: 0, appliedRevision: 3, reason: "" });
  expect(await gateway.gate("nowhere")).toMatchObject({ reason: "API_UNKNOWN" });
  // Connected, and nothing comes within the deadline: as if there were no connection.
  await reach(gateway, "unknown", "offline");
  expect(await gateway.gate("unknown")).toMatchObject({ reason: "OBJECTS_MISSING" });
});

test("a root that is older, of another fabric, of another signer or of another CA is not taken (GK 1)", async () => {
  await using stage = await serve("orders");
  const { agent, gateway } = stage;
  const tree = (set: string) => buildTree([api("orders", { revision: 1, policies: [stamp(set)] })]);
  const good = { signer, fabricId, revision: 5, issuedAt: new Date(Date.now() + 60_000) };
  agent.announce(await signTree(tree("good"), good));
  await reach(gateway, "orders", "live");
  const stranger = await (await createTestCa()).issueService("api-manager");
  const offers: readonly SignedTree[] = [
    await signTree(tree("older"), { ...good, revision: 4 }),
    await signTree(tree("foreign"), { ...good, revision: 6, fabricId: "0198c0de-0000-7000-8000-000000000002" }),
    await signTree(tree("wrong service"), { ...good, revision: 6, signer: await ca.issueService("runtime-manager") }),
    await signTree(tree("wrong CA"), { ...good, revision: 6, signer: stranger }),
    await signTree(tree("earlier incarnation"), {
      ...good,
      revision: 9,
      incarnationId: "incarnation 0",
      issuedAt: new Date(),
    }),
  ];
  for (const offer of offers) agent.announce(offer);
  agent.announce(await signTree(tree("newest"), { ...good, revision: 7 }));
  await until(async () => (await gateway.view()).configuration?.revision === 7);
  await until(async () => {
    await (await fetch(`${stage.app.url}/orders/1`)).text();
    return stage.app.arrived.at(-1)?.set === "newest";
  });
  expect(new Set(stage.app.arrived.map(({ set }) => set)).difference(new Set(["good", "newest"])).size).toBe(0);
  expect(gateway.log().match(/"msg":"the configuration's root is refused"/g)?.length).toBe(3);
  expect(gateway.log().match(/older configuration was offered/g)?.length).toBe(2);
});

test("a root signed when its signer's certificate was valid stays good for ever; a restored record may go back (GK 3)", async () => {
  const lastYear = new Date(Date.now() - 365 * 24 * 3_600_000);
  const oldCa = await createTestCa({ now: lastYear });
  const expired = await oldCa.issueService("api-manager", { now: lastYear, ttlSeconds: 3_600 });
  await using folder = await tempDir();
  await using fabric = new TestFabric(folder.path);
  const app = await fabric.addApp("old");
  await app.deploy({ key: "one", level: "strict", apis: [anApi("orders")] });
  fabric.writeRoutes();
  await using agent = await startScriptedAgent({ socketPath: fabric.feedSocket, trustBundle: oldCa.trustBundle });
  await using gateway = await startGateway({ directory: fabric.directory, fabricId });
  const tree = buildTree([api("orders", { revision: 1 })]);
  const issuedAt = new Date(lastYear.getTime() + 60_000);
  agent.announce(await signTree(tree, { signer: expired, fabricId, revision: 900, issuedAt }));
  await reach(gateway, "orders", "live");
  const restored = await oldCa.issueService("api-manager", { now: lastYear });
  agent.announce(
    await signTree(tree, {
      signer: restored,
      fabricId,
      revision: 12,
      incarnationId: "incarnation 2",
      issuedAt: new Date(issuedAt.getTime() + 1_000),
    }),
  );
  await until(async () => (await gateway.view()).configuration?.revision === 12);
});

test("a contract that is revoked is refused with the next configuration, while others pass (GK 3)", async () => {
  await using stage = await serve("orders");
  const { agent, gateway, app } = stage;
  const policies = [aPolicy("who", "client-id-enforcement", {})];
  const both = [aContract("alice", "wonder"), aContract("bob", "build")];
  const call = async (id: string, secret: string): Promise<number> => {
    const response = await fetch(`${app.url}/orders/1`, { headers: { client_id: id, client_secret: secret } });
    await response.text();
    return response.status;
  };
  const sign = (revision: number, contracts: typeof both) =>
    signTree(buildTree([api("orders", { revision: 1, policies, contracts })]), { signer, fabricId, revision });
  agent.announce(await sign(1, both));
  await reach(gateway, "orders", "live");
  expect([await call("alice", "wonder"), await call("bob", "build"), await call("bob", "guess")]).toEqual([
    200, 200, 401,
  ]);
  agent.announce(await sign(2, both.slice(0, 1)));
  await until(async () => (await call("bob", "build")) === 401);
  expect(await call("alice", "wonder")).toBe(200);
});

test("the agent is seen to die at once and to be back within a second; it hears all gates again (MGT 5)", async () => {
  await using stage = await serve("orders");
  const { agent, gateway } = stage;
  agent.announce(await signTree(buildTree([api("orders", { revision: 1 })]), { signer, fabricId, revision: 1 }));
  await reach(gateway, "orders", "live");
  await agent.kill();
  await reach(gateway, "orders", "stale");
  expect((await gateway.view()).link).toMatchObject({ state: "down", reason: "AGENT_GONE" });
  await agent.start();
  await reach(gateway, "orders", "live");
  expect(agent.hellos.length).toBe(2);
  expect(agent.hellos[0]?.bootId).toBe(agent.hellos[1]?.bootId);
  expect(agent.hellos[1]?.rootDigest).toMatch(/^sha256:/);
  const afterwards = agent.reports.findLast(({ complete }) => complete);
  expect(afterwards?.apps.flatMap(({ gates }) => gates.map(({ apiName }) => apiName))).toEqual(["orders"]);
});
