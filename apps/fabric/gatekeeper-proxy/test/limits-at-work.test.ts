import { once } from "node:events";
import { request, type IncomingHttpHeaders, type IncomingMessage } from "node:http";
import { connect } from "node:net";
import { buffer } from "node:stream/consumers";
import type { Contract, Policy } from "@drawbridge/contracts/apis/v1/configuration";
import type { IdentitySnapshot } from "@drawbridge/pki";
import { createTestCa, sendThenRead, tempDir, type TestCa } from "@drawbridge/testkit";
import { afterAll, beforeAll, expect, test } from "vitest";
import { aContract, aPolicy, buildTree, signTree, type SignedTree } from "./support/api-tree.ts";
import { startGateway, until, type GatewayProcess } from "./support/gateway-process.ts";
import { startScriptedAgent } from "./support/scripted-agent.ts";
import { anApi, TestFabric, type TestApp } from "./support/test-app.ts";

/* Policies that limit, filter and rewrite, in the whole gateway: two worker threads that listen on one port. */

const fabricId = "0198c0de-0000-7000-8000-000000000002";
const hourMs = 3_600_000;
let ca: TestCa;
let signer: IdentitySnapshot;
let revision = 0;
let stage: Stage;
let app: TestApp;

beforeAll(async () => {
  ca = await createTestCa();
  signer = await ca.issueService("api-manager");
  stage = await setStage(await published([]));
  ({ app } = stage);
});

afterAll(() => stage[Symbol.asyncDispose]());

function published(policies: readonly Policy[], contracts: readonly Contract[] = []): Promise<SignedTree> {
  revision += 1;
  const document = {
    revision,
    policies: policies.map((policy, index) => ({ ...policy, order: index + 1 })),
    contracts,
  };
  const api = { environment: "production", name: "orders", version: "1.0.0", document };
  return signTree(buildTree([api]), { signer, fabricId, revision });
}

interface Stage extends AsyncDisposable {
  readonly app: TestApp;
  readonly gateway: GatewayProcess;
  publish(tree: SignedTree): Promise<void>;
  /** An orderly end of the gateway, and another one on the same folder. */
  restart(): Promise<void>;
}

async function setStage(tree: SignedTree): Promise<Stage> {
  const stack = new AsyncDisposableStack();
  const folder = stack.use(await tempDir());
  const fabric = stack.use(new TestFabric(folder.path));
  const app = await fabric.addApp("orders");
  await app.deploy({ key: "one", level: "strict", apis: [anApi("orders")] });
  fabric.writeRoutes();
  const agent = stack.use(await startScriptedAgent({ socketPath: fabric.feedSocket, trustBundle: ca.trustBundle }));
  const start = (): Promise<GatewayProcess> => startGateway({ directory: fabric.directory, fabricId });
  let gateway = await start();
  stack.defer(() => gateway.kill());
  // Revisions are those of `published`: what was published last is enforced.
  const inForce = (): Promise<void> =>
    until(async () => {
      const gate = await gateway.gate("orders");
      return gate?.state === "live" && gate.appliedRevision === revision;
    });
  agent.announce(tree);
  await inForce();
  return {
    app,
    get gateway() {
      return gateway;
    },
    publish: async (next) => {
      agent.announce(next);
      await inForce();
    },
    restart: async () => {
      await gateway.stop();
      gateway = await start();
      await inForce();
    },
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  };
}

interface Answer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

/** One request on a connection of its own, so that either worker may get it. */
async function ask(
  app: TestApp,
  { method = "GET", headers = {}, body }: { method?: string; headers?: Record<string, string>; body?: string } = {},
): Promise<Answer> {
  const outgoing = request(`${app.url}/orders/1`, { method, headers, agent: false });
  outgoing.end(body);
  const [answer] = (await once(outgoing, "response")) as [IncomingMessage]; // what the event carries
  return { status: answer.statusCode ?? 0, headers: answer.headers, body: (await buffer(answer)).toString() };
}

async function statuses(
  app: TestApp,
  count: number,
  headers: Record<string, string> = {},
): Promise<Record<number, number>> {
  const counts: Record<number, number> = {};
  for (let sent = 0; sent < count; sent += 50) {
    const answers = await Promise.all(Array.from({ length: Math.min(50, count - sent) }, () => ask(app, { headers })));
    for (const { status } of answers) counts[status] = (counts[status] ?? 0) + 1;
  }
  return counts;
}

const as = (clientId: string): Record<string, string> => ({
  client_id: clientId,
  client_secret: `secret of ${clientId}`,
});
const contractOf = (clientId: string): Contract => aContract(clientId, `secret of ${clientId}`);
const clients = aPolicy("clients", "client-id-enforcement", {});

test("a limit holds exactly for all threads together, through a change of contracts and a restart", async () => {
  // A window of 31 days from 1970: it does not end while the test runs, but for one minute in a month.
  const limit = aPolicy("limit", "rate-limiting", {
    limits: [{ requests: 120, periodMs: 31 * 24 * hourMs }],
    key: { by: "client" },
    exposeHeaders: true,
  });
  await stage.publish(await published([clients, limit], [contractOf("a"), contractOf("b")]));
  const before = app.arrived.length;
  expect(await statuses(app, 100, as("a"))).toEqual({ 200: 100 });
  await stage.publish(await published([clients, limit], [contractOf("a"), contractOf("c")]));
  expect(await statuses(app, 10, as("a"))).toEqual({ 200: 10 });
  expect(await statuses(app, 10, as("b"))).toEqual({ 401: 10 });
  await stage.restart();
  expect(await statuses(app, 100, as("a"))).toEqual({ 200: 10, 429: 90 });
  expect(await statuses(app, 150, as("c"))).toEqual({ 200: 120, 429: 30 });
  expect(app.arrived).toHaveLength(before + 240);
  const refused = await ask(app, { headers: as("a") });
  expect(refused.headers).toMatchObject({
    "retry-after": expect.stringMatching(/^\d+$/),
    "x-gateway-origin": "policy",
    "x-ratelimit-limit": "120",
    "x-ratelimit-remaining": "0",
  });
  expect(JSON.parse(refused.body)).toMatchObject({ type: "urn:drawbridge:error:RATE_LIMITED", status: 429 });
});

test("browsers are answered first, also with refusals of later policies that they may read", async () => {
  const cors = aPolicy("cors", "cors", { groups: [{ origins: ["https://app.example"], methods: ["GET", "PUT"] }] });
  await stage.publish(await published([clients, cors], [contractOf("a")]));
  const before = app.arrived.length;
  const origin = { origin: "https://app.example" };
  const preflight = await ask(app, {
    method: "OPTIONS",
    headers: { ...origin, "access-control-request-method": "PUT" },
  });
  expect(preflight).toMatchObject({ status: 204, headers: { "access-control-allow-methods": "GET, PUT" }, body: "" });
  const refused = await ask(app, { headers: origin });
  expect(refused).toMatchObject({ status: 401, headers: { "access-control-allow-origin": "https://app.example" } });
  const passed = await ask(app, { headers: { ...origin, ...as("a") } });
  expect(passed).toMatchObject({ status: 200, headers: { "access-control-allow-origin": "https://app.example" } });
  expect(app.arrived).toHaveLength(before + 1);
});

test("a body that is too long is refused, whether it says so or streams", async () => {
  await stage.publish(await published([aPolicy("size", "request-size-limit", { bodyBytes: 1_000 })]));
  const send = async (length: number, headers: Record<string, string>): Promise<number> =>
    (await ask(app, { method: "POST", body: "x".repeat(length), headers })).status;
  const chunked = { "transfer-encoding": "chunked" };
  expect([await send(1_000, {}), await send(1_001, {})]).toEqual([200, 413]);
  expect([await send(1_000, chunked), await send(1_001, chunked)]).toEqual([200, 413]);
});

test.each([
  ["without a client's name", "POST /orders HTTP/1.1\r\nhost: a.example\r\n", "401"],
  ["with two hosts", "POST /orders HTTP/1.1\r\nhost: a.example\r\nhost: b.example\r\n", "400"],
  ["that is no HTTP", "POST /orders HTTP/1.1\r\nhost : a.example\r\n", "400"],
])("who reads nothing before a large body is sent still gets the refusal of a request %s", async (...given) => {
  const [, head, status] = given;
  await stage.publish(await published([clients], [contractOf("a")]));
  const before = app.arrived.length;
  const behind = "GET / HTTP/1.1\r\nhost: a.example\r\n\r\n";
  const said = await sendThenRead(connect(Number(new URL(app.url).port), "127.0.0.1"), head, behind);
  expect(Array.from(said.matchAll(/^HTTP\/1.1 (\d+)/gm), ([, each]) => each)).toEqual([status]);
  expect(app.arrived).toHaveLength(before);
});

test("a burst is smoothed: what finds room in time passes, the rest is refused", async () => {
  const spike = aPolicy("spike", "spike-control", {
    requests: 5,
    periodMs: 60_000,
    queue: { length: 2, delayMs: 100, attempts: 1 },
  });
  await stage.publish(await published([spike]));
  expect(await statuses(app, 30)).toEqual({ 200: 5, 429: 25 });
});

test("addresses and headers are what policies say", async () => {
  const allowed = aPolicy("allowed", "ip-allow-list", { addresses: ["127.0.0.0/8"] });
  const blocked = aPolicy("blocked", "ip-block-list", { addresses: ["127.0.0.1"] });
  const mark = aPolicy("mark", "header-injection", {
    inbound: [{ name: "x-set", secretValue: "ours" }],
    outbound: [{ name: "x-answer", value: "yes" }],
  });
  await stage.publish(await published([allowed, mark]));
  const before = app.arrived.length;
  const answer = await ask(app, { headers: { "x-set": "theirs" } });
  expect(answer).toMatchObject({ status: 200, headers: { "x-answer": "yes" } });
  expect(app.arrived.slice(before).map(({ set }) => set)).toEqual(["ours"]);
  await stage.publish(await published([allowed, blocked, mark]));
  expect(await statuses(app, 10)).toEqual({ 403: 10 });
  expect(app.arrived).toHaveLength(before + 1);
});
