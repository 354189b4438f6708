import { readdirSync, readFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { gzipSync, zstdDecompressSync } from "node:zlib";
import { Capture, CapturePart } from "@drawbridge/contracts/apis/v1/capture";
import { BodyForm, CaptureLossReason, type CapturedExchange } from "@drawbridge/contracts/insight/v1/insight_batch";
import { expect, test } from "vitest";
import { anInstance, startToldFabric, type ToldFabric } from "./support/told-gateway.ts";
import { anApi } from "./support/test-app.ts";

const canary = "canary7f3a9";
const allowed = { DRAWBRIDGE_ALLOW_INSIGHT: "true" };
const everyPart = [1, 2, 3, 4, 5] satisfies readonly CapturePart[];

function aCapture(change: Partial<Capture> = {}): Capture {
  return Capture.fromPartial({
    captureId: "capture-1",
    startsAt: new Date(Date.now() - 1_000),
    expiresAt: new Date(Date.now() + 600_000),
    samplePerMillion: 1_000_000,
    parts: [...everyPart],
    exchangesPerSecond: 100,
    exchanges: 1_000,
    ...change,
  });
}

/** A fabric whose app answers with JSON, and a body as large as it is asked for. */
async function startCapturedFabric(captures: readonly Partial<Capture>[]): Promise<ToldFabric> {
  const stack = new AsyncDisposableStack();
  const fabric = stack.use(await startToldFabric({ settings: undefined }));
  const app = createServer((request, response) => {
    request.resume().on("end", () => {
      const size = Number(request.headers["x-size"] ?? 0);
      response.writeHead(request.url?.includes("missing") === true ? 404 : 200, {
        "content-type": "application/json",
        "content-encoding": "gzip",
        "set-cookie": `session=${canary}`,
        "x-answer": canary,
      });
      const answer = { state: "open", owner: canary, token: canary, filling: "x".repeat(size) };
      response.end(gzipSync(JSON.stringify(answer), { level: 0 }));
    });
  });
  await new Promise<void>((resolve) => app.listen(0, "127.0.0.1", resolve));
  stack.defer(() => app.close().closeAllConnections());
  const { port } = app.address() as AddressInfo; // a TCP server
  const replica = { port, protocol: "http1" } as const;
  await fabric.app.deploy({ key: "own", level: "flexible", apis: [anApi("orders")], replica });
  await publishCaptures(fabric, captures);
  return { ...fabric, [Symbol.asyncDispose]: () => stack.disposeAsync() };
}

let revision = 1;
async function publishCaptures(fabric: ToldFabric, captures: readonly Partial<Capture>[]): Promise<void> {
  revision += 1;
  await fabric.publish([{ ...anInstance("orders"), document: { revision, captures } }]);
}

const order = JSON.stringify({
  order: { sku: "S-1", note: canary, card: { number: canary } },
  [`${canary}@example.com`]: 1,
});

/** A canary in every place that a client can fill. */
async function order1(
  { app }: ToldFabric,
  path = "/orders/17",
  headers: Record<string, string> = {},
): Promise<Response> {
  const answer = await fetch(`${app.url}${path}/${canary}?page=2&q=${canary}&token=${canary}`, {
    method: "POST",
    body: order,
    headers: {
      "content-type": "application/json",
      authorization: `Bearer ${canary}`,
      cookie: `a=${canary}`,
      "x-request-id": canary,
      "user-agent": canary,
      referer: canary,
      "x-kind": "bulk",
      ...headers,
    },
  });
  await answer.arrayBuffer();
  return answer;
}

const exchangesOf = ({ ingest }: ToldFabric): CapturedExchange[] =>
  ingest.insight.flatMap(({ exchanges }) => exchanges);

/** Everything that went over the wire, as it was and unpacked. */
function wireOf({ ingest }: ToldFabric): string {
  return ingest.wire
    .flatMap((bytes) => (bytes.readUInt32LE(0) === 0xfd2fb528 ? [bytes, zstdDecompressSync(bytes)] : [bytes]))
    .map((bytes) => bytes.toString("latin1"))
    .join("\n");
}

test("without the permission of the fabric's owner nothing is captured, whatever is ordered, and that is seen (META 4)", async () => {
  await using fabric = await startCapturedFabric([aCapture({ reveal: ["$.order.note", "header.x-kind"] })]);
  await using gateway = await fabric.start();
  await expect.poll(() => order1(fabric).then(({ status }) => status)).toBe(200);
  const { insight } = await gateway.view();
  expect(insight).toMatchObject({
    allowed: "nowhere",
    captures: [{ captureId: "capture-1", state: "refused", taken: 0 }],
  });
  expect(await (await gateway.admin("/metrics")).text()).toMatch(/insight_captures\{[^}]*state="refused"[^}]*\} 1/);
  await expect.poll(() => gateway.log()).toContain("the fabric's owner has not allowed it");
  await gateway.stop();
  expect(fabric.ingest.wire).toEqual([]);
  expect(fabric.agent.analyticsRequests).toEqual([]);
});

test("captured exchanges are told masked, revealed at the paths that are named, redacted where the owner says (META 4)", async () => {
  const capture = aCapture({
    reveal: [
      "$.order.sku",
      "$.order.card.number",
      "$.state",
      "$.token",
      "header.x-kind",
      "header.authorization",
      "query.page",
      "query.token",
    ],
    pathTemplates: ["/{any}/{x}"],
    methods: ["POST"],
  });
  await using fabric = await startCapturedFabric([capture, aCapture({ captureId: "capture-2", methods: ["GET"] })]);
  await using gateway = await fabric.start({
    ...allowed,
    DRAWBRIDGE_INSIGHT_ENVIRONMENTS: "production",
    DRAWBRIDGE_INSIGHT_REDACT: "owner",
  });
  expect((await order1(fabric)).status).toBe(200);
  await expect.poll(() => exchangesOf(fabric)).toHaveLength(1);
  const [exchange] = exchangesOf(fabric);
  expect(exchange).toMatchObject({
    captureId: "capture-1",
    apiName: "orders",
    environment: "production",
    app: "shop",
    replica: "replica-of-own",
    method: "POST",
    pathTemplate: "/{}/{}",
    status: 200,
    query: [
      { name: "page", value: "2", isRevealed: true },
      { name: "q", value: "string(11)", isRevealed: false },
      { name: "token", value: "string(11)", isRevealed: false },
    ],
    requestBody: { form: BodyForm.BODY_FORM_JSON, mediaType: "application/json", bytes: BigInt(order.length) },
    responseBody: { form: BodyForm.BODY_FORM_JSON, revealed: ["$.filling", "$.state"].slice(1) },
  });
  expect(JSON.parse(exchange?.requestBody?.json ?? "")).toEqual({
    order: { sku: "S-1", note: "string(11)", card: { number: "string(11)" } },
    "name(23)": "number",
  });
  expect(JSON.parse(exchange?.responseBody?.json ?? "")).toEqual({
    state: "open",
    owner: "redacted",
    token: "string(11)",
    filling: "string(0)",
  });
  const valueOf = (name: string): string | undefined =>
    exchange?.requestHeaders.find((field) => field.name === name)?.value;
  expect([valueOf("x-kind"), valueOf("authorization"), valueOf("cookie")]).toEqual([
    "bulk",
    "string(18)",
    "string(13)",
  ]);
  expect(exchange?.responseHeaders).toContainEqual({ name: "set-cookie", value: "string(19)", isRevealed: false });
  await expect.poll(() => fabric.agent.insightReports).toHaveLength(1);
  expect(fabric.agent.insightReports[0]).toMatchObject({ url: fabric.ingest.url, exchanges: 1n });
  expect((await gateway.view()).insight).toMatchObject({ sentExchanges: 1, lost: {} });
  for (const text of [wireOf(fabric), gateway.log(), textOf(fabric.directory)]) expect(text).not.toContain(canary);
});

/** Of all files of the gateway's folder: nothing that was captured is ever on a disk. */
function textOf(directory: string): string {
  return readdirSync(directory, { recursive: true, withFileTypes: true })
    .filter((file) => file.isFile())
    .map(({ parentPath, name }) => readFileSync(join(parentPath, name), "latin1"))
    .join("\n");
}

test("a capture ends at its time also while the control plane is away, and by its limits; what was too many is counted", async () => {
  await using fabric = await startCapturedFabric([]);
  await using gateway = await fabric.start(allowed);
  const stateOf = async (captureId: string): Promise<string | undefined> =>
    (await gateway.view()).insight.captures.find((capture) => capture.captureId === captureId)?.state;
  await publishCaptures(fabric, [
    aCapture({ captureId: "few", exchanges: 2, parts: [CapturePart.CAPTURE_PART_QUERY] }),
    aCapture({ captureId: "slow", exchangesPerSecond: 1, statusClasses: [4] }),
    aCapture({ captureId: "short", expiresAt: new Date(Date.now() + 15_000) }),
  ]);
  await expect.poll(() => stateOf("slow")).toBe("followed");
  await order1(fabric);
  await expect.poll(() => exchangesOf(fabric).length).toBeGreaterThan(0);
  fabric.agent.linkDown();
  for (let count = 0; count < 4; count += 1) await order1(fabric);
  for (let count = 0; count < 12; count += 1) await order1(fabric, "/orders/missing");
  await expect.poll(() => stateOf("short")).toBe("over");
  expect(await stateOf("few")).toBe("over");
  const countOf = (captureId: string): number =>
    exchangesOf(fabric).filter((exchange) => exchange.captureId === captureId).length;
  await order1(fabric, "/orders/late");
  await gateway.stop();
  expect(countOf("few")).toBe(2);
  expect(countOf("short")).toBeGreaterThan(0);
  expect(countOf("short")).toBeLessThanOrEqual(17);
  const losses = fabric.ingest.insight.flatMap((batch) => batch.losses).filter(({ captureId }) => captureId === "slow");
  expect(losses.every(({ reason }) => reason === CaptureLossReason.CAPTURE_LOSS_REASON_RATE)).toBe(true);
  expect(countOf("slow")).toBeGreaterThan(0);
  expect(losses.reduce((sum, { exchanges }) => sum + Number(exchanges), countOf("slow"))).toBe(12);
  const ids = exchangesOf(fabric).map(({ exchangeId }) => exchangeId);
  expect(new Set(ids).size).toBe(ids.length);
});

test("what the control plane does not take is sent again or counted; a body too large to keep passes whole (ANA 1)", async () => {
  await using fabric = await startCapturedFabric([aCapture()]);
  await using gateway = await fabric.start(allowed);
  const answers = [401, 503, 400];
  fabric.ingest.insightAnswer = ({ exchanges }) => {
    const status = answers.shift() ?? 200;
    return { status, body: exchanges.length > 0 ? { accepted: 1, fullCaptures: ["capture-1"] } : {} };
  };
  await order1(fabric);
  await expect.poll(() => fabric.ingest.insight.length).toBeGreaterThanOrEqual(3);
  expect(new Set(fabric.ingest.insight.slice(0, 3).map(({ batchId }) => batchId)).size).toBe(1);
  expect(fabric.agent.analyticsRequests).toHaveLength(2); // another token than the one that was refused
  const large = await fetch(`${fabric.app.url}/orders`, {
    method: "POST",
    body: canary.repeat(20_000),
    headers: { "content-type": "application/json", "x-size": "300000" },
  });
  expect((await large.json()) as object).toMatchObject({ filling: "x".repeat(300_000) });
  await expect.poll(async () => (await gateway.view()).insight.captures[0]?.state).toBe("over");
  await order1(fabric);
  await gateway.stop();
  const told = fabric.ingest.insight.slice(3);
  expect(told.flatMap(({ exchanges }) => exchanges)).toMatchObject([
    {
      requestBody: { form: BodyForm.BODY_FORM_TOO_LARGE, bytes: BigInt(canary.length * 20_000), json: "" },
      responseBody: { form: BodyForm.BODY_FORM_TOO_LARGE, json: "" },
    },
  ]);
  expect(told.flatMap(({ losses }) => losses)).toEqual([
    { captureId: "capture-1", reason: CaptureLossReason.CAPTURE_LOSS_REASON_REFUSED, exchanges: 1n },
  ]);
  expect(wireOf(fabric)).not.toContain(canary);
});
