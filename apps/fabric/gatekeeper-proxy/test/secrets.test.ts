import { readFileSync } from "node:fs";
import { connect } from "node:net";
import { once } from "node:events";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { createTestCa, tempDir } from "@drawbridge/testkit";
import { expect, test } from "vitest";
import { aContract, aPolicy, buildTree, signTree } from "./support/api-tree.ts";
import { startGateway, until } from "./support/gateway-process.ts";
import { startScriptedAgent } from "./support/scripted-agent.ts";
import { anApi, TestFabric } from "./support/test-app.ts";

const fabricId = "0198c0de-0000-7000-8000-000000000004";

test("what clients and policies keep secret is in no log, view or metric, at any level of the log", async () => {
  const ca = await createTestCa();
  const signer = await ca.issueService("api-manager");
  await using folder = await tempDir();
  await using fabric = new TestFabric(folder.path);
  const app = await fabric.addApp("orders");
  await app.deploy({ key: "one", level: "strict", apis: [anApi("orders")] });
  fabric.writeRoutes();
  await using agent = await startScriptedAgent({ socketPath: fabric.feedSocket, trustBundle: ca.trustBundle });
  const env = { DRAWBRIDGE_LOG_LEVEL: "trace" };
  await using gateway = await startGateway({ directory: fabric.directory, fabricId, env });
  const secrets = [
    "client-password-1",
    "bearer-password-2",
    "cookie-password-3",
    "query-password-4",
    "injected-password-5",
  ];
  const policies = [
    aPolicy("clients", "client-id-enforcement", {}),
    aPolicy("mark", "header-injection", { inbound: [{ name: "x-set", secretValue: "injected-password-5" }] }),
  ];
  const document = { revision: 1, policies, contracts: [aContract("shop", "client-password-1")] };
  const apis = [{ environment: "production", name: "orders", version: "1.0.0", document }];
  agent.announce(await signTree(buildTree(apis), { signer, fabricId, revision: 1 }));
  await until(async () => (await gateway.gate("orders"))?.state === "live");
  await until(() => app.status()?.phase === "listening");

  const ask = async (headers: Record<string, string>): Promise<number> => {
    const response = await fetch(`${app.url}/orders/1?access_token=query-password-4`, { headers });
    await response.text();
    return response.status;
  };
  const more = { authorization: "Bearer bearer-password-2", cookie: "session=cookie-password-3" };
  expect(await ask({ client_id: "shop", client_secret: "client-password-1", ...more })).toBe(200);
  expect(await ask({ client_id: "nobody", client_secret: "client-password-1", ...more })).toBe(401);
  expect(app.arrived.map(({ set }) => set)).toEqual(["injected-password-5"]);
  const malformed = connect({ port: Number(new URL(app.url).port), host: "127.0.0.1" });
  malformed.write("GET /?query-password-4 HTTP/1.1\r\nHost: a\r\nAuthorization : bearer-password-2\r\n\r\n");
  await once(malformed, "connect");
  expect(await text(malformed)).toMatch(/^HTTP\/1\.1 400 /);
  await fabric[Symbol.asyncDispose](); // no replica answers any more
  expect(await ask({ client_id: "shop", client_secret: "client-password-1", ...more })).toBe(503);

  const told = [
    JSON.stringify(await gateway.view()),
    await (await gateway.admin("/metrics")).text(),
    await (await gateway.admin("/readyz")).text(),
  ];
  const token = readFileSync(join(fabric.directory, "admin-token"), "utf8").trim();
  await gateway.stop();
  expect(gateway.log()).toContain('"msg":"stopped"');
  for (const secret of [...secrets, token])
    expect([...told, gateway.log()].join("\n").includes(secret), secret).toBe(false);
});
