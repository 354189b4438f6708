import { createTestCa, tempDir } from "@drawbridge/testkit";
import { expect, test } from "vitest";
import { buildTree, signTree, stamp, type SignedTree } from "./support/api-tree.ts";
import { startGateway, until } from "./support/gateway-process.ts";
import { startScriptedAgent, type ScriptedAgent } from "./support/scripted-agent.ts";
import { anApi, TestFabric, type TestApp } from "./support/test-app.ts";

const fabricId = "0198c0de-0000-7000-8000-000000000002";
const names = ["observed", "quiet"] as const;

function routesOf(agent: ScriptedAgent, api: string): readonly string[] {
  const told = agent.routeReports.filter(({ name }) => name === api).flatMap(({ routes }) => routes);
  return told.map(({ method, template }) => `${method} ${template}`).toSorted();
}

/** One request of each path, over and over, until it is so. */
async function ask(app: TestApp, paths: readonly string[], isEnough: () => boolean): Promise<void> {
  await until(async () => {
    await Promise.all(paths.map(async (path) => (await fetch(`${app.url}${path}`)).arrayBuffer()));
    return isEnough();
  });
}

test("of an API for which it is asked, templates leave the gateway; of others nothing, and never what was in a path (GK 8, MGT 6)", async () => {
  const ca = await createTestCa();
  const signer = await ca.issueService("api-manager");
  let revision = 0;
  const published = (observed: string, words: readonly string[] = []): Promise<SignedTree> => {
    revision += 1;
    const apis = names.map((name) => ({
      environment: "production",
      name,
      version: "1.0.0",
      document: { revision, policies: [stamp(name)], ...(name === observed && { observeRoutes: { words } }) },
    }));
    return signTree(buildTree(apis), { signer, fabricId, revision });
  };
  await using folder = await tempDir();
  await using fabric = new TestFabric(folder.path);
  const app = await fabric.addApp("shop");
  await app.deploy({ key: "one", level: "strict", apis: names.map((name) => anApi(name)) });
  fabric.writeRoutes();
  await using agent = await startScriptedAgent({ socketPath: fabric.feedSocket, trustBundle: ca.trustBundle });
  await using gateway = await startGateway({ directory: fabric.directory, fabricId });
  agent.announce(await published("observed", ["dunning"]));
  for (const name of names) await until(async () => (await gateway.gate(name))?.state === "live");

  await fetch(`${app.url}/observed/accounts/once`);
  const paths = [
    "/observed/orders/42",
    "/observed/dunning",
    "/observed/users/ada",
    "/observed/users/ada.lovelace/orders?q=ada",
    "/observed/users/ada%40example.com/orders",
    "/observed/users/0f8fad5b-d9cb-469f-a165-70867728950e/orders/c2VjcmV0",
    "/quiet/orders/42",
  ];
  const expected = [
    "GET /dunning",
    "GET /orders/{}",
    "GET /users/{}",
    "GET /users/{}/orders",
    "GET /users/{}/orders/{}",
  ];
  await ask(app, paths, () => routesOf(agent, "observed").length >= expected.length);
  expect(routesOf(agent, "observed")).toEqual(expected);
  expect(routesOf(agent, "quiet")).toEqual([]);

  agent.announce(await published("quiet"));
  await until(async () => (await gateway.view()).configuration?.revision === revision);
  await until(async () => (await gateway.gate("quiet"))?.state === "live");
  await ask(app, ["/observed/invoices", "/quiet/orders/42"], () => routesOf(agent, "quiet").length > 0);
  expect(routesOf(agent, "quiet")).toEqual(["GET /orders/{}"]);
  expect(routesOf(agent, "observed")).toEqual(expected);

  const left = JSON.stringify([agent.routeReports, agent.reports], (_key, value: unknown) =>
    typeof value === "bigint" ? String(value) : value,
  );
  expect(left).not.toMatch(/\bada|lovelace|example|0f8fad5b|c2VjcmV0|once/);
});
