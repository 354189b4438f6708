import { join } from "node:path";
import {
  type ColumnarStore,
  createNativeBlockWriter,
  dateTime64Column,
  dateTimeColumn,
  lowCardinalityColumn,
  uint16Column,
  uint32Column,
  uint64Column,
} from "@drawbridge/columnar";
import { tempDir } from "@drawbridge/testkit";
import { afterAll, beforeAll, expect, test } from "vitest";
import { asGrafanaSends, openTables, questionsOf, statement } from "./support/columnar.ts";

const questions = questionsOf("analytics.json");

let store: ColumnarStore;
const cleanup = new AsyncDisposableStack();
beforeAll(async () => {
  const folder = cleanup.use(await tempDir());
  store = await openTables(folder.path, "analytics-ingest/migrations", cleanup);
  await insertRows(folder.path);
});
afterAll(() => cleanup.disposeAsync());

/** An hour ago: rows do not live for ever. */
const at = Math.floor(Date.now() / 1_000 - 3_600) * 1_000;

/** One that was answered and one that a policy refused, each for ten; and what a gateway lost. */
async function insertRows(folder: string): Promise<void> {
  const text = () => lowCardinalityColumn();
  const requests = createNativeBlockWriter({
    ts: dateTime64Column(),
    received_at: dateTimeColumn(),
    environment: text(),
    api: text(),
    application: text(),
    status_code: uint16Column(),
    violated_policy: text(),
    weight: uint16Column(),
    latency_us: uint32Column(),
    upstream_us: uint32Column(),
    country: text(),
    browser: text(),
    os_family: text(),
  });
  for (const { status, policy, latency, upstream } of [
    { status: 200, policy: "", latency: 4_000, upstream: 3_000 },
    { status: 429, policy: "limit", latency: 1_000, upstream: 0 },
  ]) {
    const { columns } = requests;
    columns.ts.push(at);
    columns.received_at.push(at / 1_000);
    columns.environment.push("one");
    columns.api.push("two");
    columns.application.push("shop");
    columns.status_code.push(status);
    columns.violated_policy.push(policy);
    columns.weight.push(10);
    columns.latency_us.push(latency);
    columns.upstream_us.push(upstream);
    columns.country.push("CH");
    columns.browser.push("Firefox");
    columns.os_family.push("Linux");
  }
  const gaps = createNativeBlockWriter({
    fabric_id: text(),
    gateway: text(),
    requests: uint64Column(),
    from_ts: dateTime64Column(),
    to_ts: dateTime64Column(),
    received_at: dateTimeColumn(),
  });
  gaps.columns.fabric_id.push("f");
  gaps.columns.gateway.push("g");
  gaps.columns.requests.push(7n);
  gaps.columns.from_ts.push(at - 60_000);
  gaps.columns.to_ts.push(at);
  gaps.columns.received_at.push(at / 1_000);
  for (const [table, writer] of [["requests", requests], ["request_gaps", gaps], ...rollUpBlocks()] as const) {
    const path = join(folder, `${table}.native`);
    await writer.writeFile(path);
    await store.insertFile({ table, path, token: table });
  }
}

/** The same as insertRows has, added up as analytics-ingest does it. */
function rollUpBlocks() {
  const outcomes = [
    { statusClass: "2xx", policy: "", latency: 4_000, upstream: 3_000 },
    { statusClass: "4xx", policy: "limit", latency: 1_000, upstream: 0 },
  ];
  const text = () => lowCardinalityColumn();
  const common = () => ({
    environment: text(),
    api: text(),
    bucket: dateTimeColumn(),
    status_class: text(),
    requests: uint64Column(),
  });
  const blocks = {
    api_traffic_15m: createNativeBlockWriter({
      ...common(),
      violated_policy: text(),
      latency_us_sum: uint64Column(),
      upstream_us_sum: uint64Column(),
    }),
    latency_30m: createNativeBlockWriter({ ...common(), latency_step: uint16Column() }),
    application_traffic_1h: createNativeBlockWriter({ ...common(), application: text() }),
    geography_traffic_1h: createNativeBlockWriter({ ...common(), country: text() }),
    user_agent_traffic_1h: createNativeBlockWriter({ ...common(), browser: text(), os_family: text() }),
  };
  for (const { statusClass, policy, latency, upstream } of outcomes) {
    for (const { columns } of Object.values(blocks)) {
      columns.environment.push("one");
      columns.api.push("two");
      columns.bucket.push(Math.floor(at / 3_600_000) * 3_600);
      columns.status_class.push(statusClass);
      columns.requests.push(10);
    }
    blocks.api_traffic_15m.columns.violated_policy.push(policy);
    blocks.api_traffic_15m.columns.latency_us_sum.push(10 * latency);
    blocks.api_traffic_15m.columns.upstream_us_sum.push(10 * upstream);
    const [bits = 0] = new Uint32Array(Float32Array.of(latency).buffer);
    blocks.latency_30m.columns.latency_step.push(bits >>> 18);
    blocks.application_traffic_1h.columns.application.push("shop");
    blocks.geography_traffic_1h.columns.country.push("CH");
    blocks.user_agent_traffic_1h.columns.browser.push("Firefox");
    blocks.user_agent_traffic_1h.columns.os_family.push("Linux");
  }
  return Object.entries(blocks);
}

test.each(questions.map(({ place, text }) => [place, text]))("%s shows what is stored", async (_place, text) => {
  const asked = asGrafanaSends(text, at);
  expect(asked).not.toContain("$");
  expect(await store.query({ sql: statement(asked) })).not.toEqual([]);
});

test.each([
  [
    "Requests",
    [
      { status_class: "2xx", total: 10n },
      { status_class: "4xx", total: 10n },
    ],
  ],
  ["Latency", [{ p50: expect.any(Number), p99: 4 }]],
  ["Share of the gateway", [{ gateway: expect.closeTo(0.4) }]],
  ["APIs", [{ environment: "one", api: "two", total: 20n, failed: 0, mean_ms: 2.5 }]],
  ["Violated policies", [{ violated_policy: "limit", total: 10n }]],
  ["Requests that gateways could not keep", [{ gateway: "g", missing: 7n }]],
])("%s counts each request as many times as it stands for", async (title, expected) => {
  const question = questions.find(({ place }) => place.endsWith(`, ${title}`));
  const found = await store.query({ sql: statement(asGrafanaSends(question?.text ?? "", at)) });
  expect(
    found.toSorted((a, b) => (JSON.stringify(a.status_class) < JSON.stringify(b.status_class) ? -1 : 1)),
  ).toMatchObject(expected);
});

test("a column that is not there fails", async () => {
  await expect(store.query({ sql: statement("SELECT absent FROM api_traffic_15m") })).rejects.toThrow();
});
