import { join } from "node:path";
import {
  type ColumnarStore,
  createNativeBlockWriter,
  dateTime64Column,
  dateTimeColumn,
  float32Column,
  float64Column,
  lowCardinalityColumn,
  uint64Column,
  uint8Column,
} from "@drawbridge/columnar";
import { tempDir } from "@drawbridge/testkit";
import { afterAll, beforeAll, expect, test } from "vitest";
import { asGrafanaSends, openTables, questionsOf, statement } from "./support/columnar.ts";

const questions = questionsOf("apps.json");
/** An hour ago: rows do not live for ever. */
const at = Math.floor(Date.now() / 1_000 - 3_600) * 1_000;

let store: ColumnarStore;
const cleanup = new AsyncDisposableStack();
beforeAll(async () => {
  const folder = cleanup.use(await tempDir());
  store = await openTables(folder.path, "monitoring-ingest/migrations-columnar", cleanup);
  await insertSamples(folder.path);
});
afterAll(() => cleanup.disposeAsync());

/** One of each of two replicas, everything measured. */
async function insertSamples(folder: string): Promise<void> {
  const samples = createNativeBlockWriter({
    ts: dateTime64Column(),
    received_ts: dateTimeColumn(),
    environment: lowCardinalityColumn(),
    app: lowCardinalityColumn(),
    replica: lowCardinalityColumn(),
    measured: uint8Column(),
    cpu_millicores: float32Column(),
    memory_used: uint64Column(),
    memory_total: uint64Column(),
    messages: uint64Column(),
    response_ms_sum: float64Column(),
    response_count: uint64Column(),
    errors: uint64Column(),
  });
  for (const replica of ["r-1", "r-2"]) {
    const { columns } = samples;
    columns.ts.push(at);
    columns.received_ts.push(at / 1_000);
    columns.environment.push("one");
    columns.app.push("two");
    columns.replica.push(replica);
    columns.measured.push(15);
    columns.cpu_millicores.push(200);
    columns.memory_used.push(50n);
    columns.memory_total.push(100n);
    columns.messages.push(4n);
    columns.response_ms_sum.push(40);
    columns.response_count.push(4n);
    columns.errors.push(1n);
  }
  const path = join(folder, "samples.native");
  await samples.writeFile(path);
  await store.insertFile({ table: "app_metrics", path, token: "samples" });
}

test.each(questions.map(({ place, text }) => [place, text]))("%s shows what is stored", async (_place, text) => {
  const asked = asGrafanaSends(text, at);
  expect(asked).not.toContain("$");
  expect(await store.query({ sql: statement(asked) })).not.toEqual([]);
});

test.each([
  ["CPU", { millicores: 400 }],
  ["Memory", { bytes: 100 }],
  ["Memory, of what they may use", { share: 0.5 }],
  ["Messages", { messages: 8n }],
  ["Response time", { mean_ms: 10 }],
  ["Errors", { errors: 2n }],
])("%s is that of all replicas together (MON)", async (title, figure) => {
  const question = questions.find(({ place }) => place.endsWith(`, ${title}`));
  const found = await store.query({ sql: statement(asGrafanaSends(question?.text ?? "", at)) });
  expect(found).toMatchObject([{ app: "two", ...figure }]);
});
