import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { gatewayDirectory, gatewayPaths } from "@drawbridge/app-routes";
import { DrawbridgeError } from "@drawbridge/errors";
import { IdentityHolder } from "@drawbridge/pki";
import { createHttpServer } from "@drawbridge/rpc";
import { createTestCa, createTestLogger } from "@drawbridge/testkit";
import { expect, test } from "vitest";
import { runAgentCommand } from "./support/run-command.ts";
import { analyticsUrl, sha256 } from "./support/scripted-analytics.ts";
import { openGateway } from "./support/scripted-gateway.ts";
import { startScriptedRuntimeManager } from "./support/scripted-runtime-manager.ts";
import { fabricId, openFabric, type StartOptions } from "./support/test-fabric.ts";

/** An agent with a tunnel, and two gateways that know it. */
async function aWorld(options: StartOptions = {}) {
  const ca = await createTestCa();
  const stack = new AsyncDisposableStack();
  const fabric = stack.use(await openFabric(ca));
  const control = stack.use(await startScriptedRuntimeManager({ ca, fabricId }));
  await fabric.activate({ tunnel: [control.address] });
  const agent = await fabric.startAgent(options);
  await control.session(0);
  const socketPath = gatewayPaths(gatewayDirectory(fabric.layout.cluster)).feedSocket;
  const [one, other] = [
    stack.use(await openGateway(socketPath, "gateway-0")),
    stack.use(await openGateway(socketPath, "gateway-1")),
  ];
  for (const gateway of [one, other]) await gateway.heard("link", ({ isUp }) => isUp);
  return { ca, fabric, control, agent, one, other, [Symbol.asyncDispose]: () => stack.disposeAsync() };
}

test("all gateways get the token that one call through the tunnel brought, however many ask at a time (ANA 1, MGT 1)", async () => {
  await using world = await aWorld();
  const held = Promise.withResolvers<void>();
  world.control.analytics.held = held.promise;
  const asked = [world.one, world.other, world.one].map((gateway) => gateway.getAnalyticsAccess());
  while (world.control.analytics.requests === 0) await new Promise(setImmediate);
  held.resolve();
  const [token = ""] = await Promise.all(asked).then((answers) => answers.map((answer) => answer.token));
  expect(world.control.analytics.tokens).toEqual([token]);
  for (const { token: given, url } of await Promise.all(asked)) {
    expect(given).toBe(token);
    expect(url).toBe(analyticsUrl);
  }
  expect((await world.other.getAnalyticsAccess()).token).toBe(token);
  expect(world.control.analytics.requests).toBe(1);
});

test("while the tunnel is down gateways get the token that is left; an agent without one says so (ANA 1)", async () => {
  await using world = await aWorld();
  const { token } = await world.one.getAnalyticsAccess();
  await world.control[Symbol.asyncDispose]();
  await world.one.heard("link", ({ isUp }) => !isUp);
  expect((await world.one.getAnalyticsAccess()).token).toBe(token);

  await world.agent.stop();
  await world.fabric.startAgent();
  await using gateway = await openGateway(gatewayPaths(gatewayDirectory(world.fabric.layout.cluster)).feedSocket);
  await gateway.heard("link", ({ isUp }) => !isUp);
  await expect(gateway.getAnalyticsAccess()).rejects.toMatchObject({ kind: "unavailable", code: "TUNNEL_DOWN" });
});

test("the control plane's no goes to the gateway as it is; one from before analytics offers none (ANA 3)", async () => {
  await using world = await aWorld();
  const answers = [
    { kind: "failed_precondition", code: "ANALYTICS_NOT_OFFERED", seen: "ANALYTICS_NOT_OFFERED" },
    { kind: "unavailable", code: "ANALYTICS_ACCESS_UNAVAILABLE", seen: "ANALYTICS_ACCESS_UNAVAILABLE" },
    { kind: "permission_denied", code: "AGENT_LOCKED", seen: "AGENT_LOCKED" },
    { kind: "unimplemented", code: "METHOD_UNKNOWN", seen: "ANALYTICS_NOT_OFFERED" },
  ] as const;
  for (const { kind, code, seen } of answers) {
    world.control.analytics.refusal = new DrawbridgeError({ kind, code, message: code });
    await expect(world.one.getAnalyticsAccess()).rejects.toMatchObject({ code: seen });
  }
  world.control.analytics.refusal = undefined;
  await expect(world.one.getAnalyticsAccess()).resolves.toMatchObject({ url: analyticsUrl });
});

test("a fabric whose owner lets no requests be reported gives no access and asks for none (ANA 3)", async () => {
  await using world = await aWorld({ config: { ALLOW_ANALYTICS: false } });
  await expect(world.one.getAnalyticsAccess()).rejects.toMatchObject({
    kind: "failed_precondition",
    code: "ANALYTICS_NOT_OFFERED",
    details: { reason: "REFUSED_BY_FABRIC" },
  });
  expect(world.control.analytics.requests).toBe(0);
});

test("the egress ledger says that gateways may report and what; the token is in no file and no log (ANA 1, MGT 6)", async () => {
  await using world = await aWorld();
  const { token } = await world.one.getAnalyticsAccess();
  await world.other.getAnalyticsAccess(sha256(token));
  await world.agent.stop();

  const { layout } = world.fabric;
  const entries = JSON.parse((await runAgentCommand(["egress", "-o", "json", "--state-dir", layout.root])).out) as {
    entries: { peer: string; messageType: string; messages: number; shape: Record<string, string> }[];
  }; // our own command
  const given = entries.entries.find(({ messageType }) => messageType === "gateway.analytics-access");
  expect(given).toMatchObject({ peer: "analytics-ingest analytics.example:7450", messages: 2 });
  expect(given?.shape).toMatchObject({ clientAddress: "METRIC", "apis[].name": "METADATA", resourcePath: "METADATA" });
  expect(Object.values(given?.shape ?? {})).not.toContain("PAYLOAD");
  expect(entries.entries.map(({ messageType }) => messageType)).toContain("tunnel.getAnalyticsAccess");

  const tokens = world.control.analytics.tokens.map((text) => text.slice("token-".length));
  const files = await readdir(layout.root, { recursive: true, withFileTypes: true });
  const written = files.filter((file) => file.isFile()).map(({ parentPath, name }) => join(parentPath, name));
  const texts = await Promise.all(written.map((path) => readFile(path, "latin1")));
  const logged = JSON.stringify(world.agent.log.records);
  expect(written.length).toBeGreaterThan(5);
  for (const secret of tokens) {
    expect(written.filter((_path, index) => texts[index]?.includes(secret))).toEqual([]);
    expect(logged).not.toContain(secret);
  }
});

test("doctor tries the way of reports: address, server, and whether the token counts there (ANA 1)", async () => {
  await using world = await aWorld();
  const asked: string[] = [];
  let isTaken = true;
  const server = createHttpServer({
    name: "ingest",
    listen: { host: "127.0.0.1", port: 0 },
    identity: new IdentityHolder(await world.ca.issueService("analytics-ingest")),
    clientCertificate: "none",
    allow: ["anyone"],
    logger: createTestLogger().logger,
    register: (app) => {
      app.post("/v1/analytics/batches", (request, reply) => {
        asked.push(request.headers.authorization ?? "");
        const code = isTaken ? "MEDIA_TYPE_UNSUPPORTED" : "ANALYTICS_TOKEN_EXPIRED";
        return reply.code(isTaken ? 415 : 401).send({ code });
      });
    },
  });
  await server.start(new AbortController().signal);
  const { host, port } = server.address();
  world.control.analytics.url = `https://${host}:${port}`;
  const examine = async () => {
    const { out } = await runAgentCommand(["doctor", "-o", "json", "--state-dir", world.fabric.layout.root]);
    const { findings } = JSON.parse(out) as { findings: { name: string; status: string; detail: string }[] };
    return Object.fromEntries(findings.map(({ name, status }) => [name, status]));
  };
  try {
    const { token } = await world.one.getAnalyticsAccess();
    expect(await examine()).toMatchObject({
      "access to analytics-ingest": "ok",
      "TCP analytics-ingest": "ok",
      "TLS analytics-ingest": "ok",
      "token analytics-ingest": "ok",
      "monitoring-ingest": "skipped",
    });
    expect(asked).toEqual([`Bearer ${token}`]);
    isTaken = false;
    expect(await examine()).toMatchObject({ "TLS analytics-ingest": "ok", "token analytics-ingest": "failed" });
  } finally {
    await server.stop(AbortSignal.abort());
  }
  expect(await examine()).toMatchObject({ "TCP analytics-ingest": "failed", "token analytics-ingest": "skipped" });
});
