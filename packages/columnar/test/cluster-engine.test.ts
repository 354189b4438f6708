import { once } from "node:events";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { createTestLogger, freePort, tempDir } from "@drawbridge/testkit";
import { beforeAll, afterAll, expect, onTestFinished, test } from "vitest";
import { openColumnarStore, sql, type ColumnarStore } from "../src/index.ts";
import { eventsTable, writeEvents } from "./support/events-table.ts";
import { startFixture } from "./support/processes.ts";

interface Request {
  readonly query: Readonly<Record<string, string>>;
  readonly body: string;
}

const login = "drawbridge:pass:word";
let folder: Awaited<ReturnType<typeof tempDir>>;
let server: ReturnType<typeof startFixture>;
let url = "";
const requests: Request[] = [];

beforeAll(async () => {
  folder = await tempDir();
  await writeFile(join(folder.path, "credentials"), `${login}\n`);
  server = startFixture("clickhouse-http", [folder.path, login]);
  const [address] = (await once(server, "message")) as [{ readonly port: number }];
  url = `http://127.0.0.1:${String(address.port)}`;
  server.on("message", (message) => void requests.push(message as Request));
});
afterAll(async () => {
  server.kill("SIGKILL");
  await folder[Symbol.asyncDispose]();
});

async function openCluster(
  options: { readonly cluster?: string; readonly database?: string } = {},
): Promise<ColumnarStore> {
  const store = openColumnarStore({
    engine: {
      kind: "cluster",
      url,
      database: "analytics",
      credentialsFile: join(folder.path, "credentials"),
      ...options,
    },
    logger: createTestLogger().logger,
  });
  onTestFinished(() => store.stop(AbortSignal.timeout(10_000)));
  await store.start(AbortSignal.timeout(240_000));
  return store;
}

/** The requests whose statement fits, once there are `count` of them: they are told over another channel. */
async function recorded(statement: RegExp, count = 1): Promise<readonly Request[]> {
  const fitting = (): readonly Request[] => requests.filter((request) => statement.test(statementOf(request)));
  await expect.poll(() => fitting().length).toBe(count);
  return fitting();
}

const statementOf = (request: Request): string => request.query["query"] ?? request.body;

async function insertAndRead(store: ColumnarStore): Promise<void> {
  expect(await store.migrate(eventsTable)).toEqual(["0001_create_events"]);
  expect(await store.migrate(eventsTable)).toEqual([]);
  const path = await writeEvents(folder.path, "1", { rows: 1_000, note: "blank\n\nDROP TABLE events;" });
  await store.insertFile({ table: "events", path, token: "it's 1" });
  await store.insertFile({ table: "events", path, token: "it's 1" });
  const counts = sql`SELECT (SELECT (count(), sum(n)) FROM events) AS raw, (SELECT (sum(requests), sum(total)) FROM events_by_api) AS rolled_up`;
  expect(await store.query({ sql: counts, wideIntegers: "string" })).toEqual([
    { raw: ["1000", "499500"], rolled_up: ["1000", "499500"] },
  ]);
  const text = "it's\n\n\\ \t{x:String} ä€😀";
  expect(
    await store.query({
      sql: sql`SELECT {text:String} AS text, {texts:Array(String)} AS texts, toUInt64(1) AS wide`,
      parameters: { text, texts: [text] },
    }),
  ).toEqual([{ text, texts: [text], wide: 1n }]);
  expect(await store.stats()).toMatchObject([{ table: "events", rows: 1000n }, {}, {}]);
  await store.dropPartition({ table: "events", partitionId: "20251231" });
  expect(await store.query({ sql: sql`SELECT count() AS n FROM events` })).toEqual([{ n: 500n }]);
}

test("the same migrations, files, tokens and queries as with the embedded engine", async () => {
  await insertAndRead(await openCluster());
});

test("an insert is the file itself as the body of one request, with its token", async () => {
  const store = await openCluster();
  await store.migrate(eventsTable);
  const path = await writeEvents(folder.path, "2", { rows: 10 });
  requests.length = 0;
  await store.insertFile({ table: "events", path, token: "two" });
  expect(await recorded(/^INSERT INTO `events`/)).toMatchObject([
    {
      query: {
        query: "INSERT INTO `events` FORMAT Native",
        database: "analytics",
        insert_deduplication_token: "two",
        deduplicate_blocks_in_dependent_materialized_views: "1",
        distributed_foreground_insert: "1",
        async_insert: "0",
      },
      body: (await readFile(path)).toString("latin1"),
    },
  ]);
});

test("a query carries its limits and may write nothing", async () => {
  const store = await openCluster();
  const limits = { maxExecutionMs: 1_500, maxMemoryBytes: 1_000_000_000, maxResultRows: 7 };
  await expect(store.query({ sql: sql`SELECT number FROM numbers(8)`, limits })).rejects.toMatchObject({
    code: "COLUMNAR_QUERY_LIMIT",
  });
  const [request] = await recorded(/numbers\(8\)/);
  expect(request?.query).toMatchObject({
    max_execution_time: "1.5",
    max_memory_usage: "1000000000",
    max_result_rows: "7",
    readonly: "2",
  });
  await expect(store.query({ sql: sql`CREATE TABLE t (x Int8) ENGINE = Memory` })).rejects.toMatchObject({
    code: "COLUMNAR_FAILED",
    details: { clickhouseCode: "164" },
  });
});

test("an export is streamed in its format", async () => {
  const store = await openCluster();
  const pieces: Uint8Array[] = [];
  const numbers = sql`SELECT number AS n FROM numbers(3)`;
  for await (const piece of store.stream({ sql: numbers, format: "CSVWithNames" })) pieces.push(piece);
  expect(Buffer.concat(pieces).toString()).toBe('"n"\n0\n1\n2\n');
});

test("with a cluster's name tables are replicated, distributed, and made everywhere", async () => {
  const store = await openCluster({ cluster: "main", database: "clustered" });
  requests.length = 0;
  await store.migrate(eventsTable);
  const ddl = (await recorded(/^CREATE/, 6)).map(statementOf);
  expect(ddl.every((text) => text.includes("ON CLUSTER 'main'"))).toBe(true);
  expect(ddl[1]).toMatch(
    /events_local ON CLUSTER 'main'[^]*ENGINE = ReplicatedMergeTree\('.*\{uuid\}[^]*replicated_deduplication_window = 1000/,
  );
  expect(ddl[4]).toContain("Distributed('main', 'clustered', 'events_local', rand())");
  await store.insertFile({ table: "events_local", path: await writeEvents(folder.path, "3", { rows: 4 }), token: "3" });
  await store.dropPartition({ table: "events", partitionId: "20260101" });
  const [drop] = await recorded(/DROP PARTITION/);
  expect(drop?.body).toBe("ALTER TABLE events_local ON CLUSTER 'main' DROP PARTITION ID '20260101'");
  expect(await store.query({ sql: sql`SELECT count() AS n FROM events_local` })).toEqual([{ n: 2n }]);
});

test("backup and restore are refused: a cluster has its own", async () => {
  const store = await openCluster();
  for (const refused of [store.backup("/tmp/x"), store.restore("/tmp/x")]) {
    await expect(refused).rejects.toMatchObject({ code: "COLUMNAR_BACKUP_UNSUPPORTED" });
  }
});

test("a wrong password fails the start at once; a server that is away is waited for", async () => {
  const log = createTestLogger();
  const open = (credentials: string, at: string): ColumnarStore =>
    openColumnarStore({
      engine: { kind: "cluster", url: at, database: "analytics", credentialsFile: join(folder.path, credentials) },
      logger: log.logger,
    });
  await writeFile(join(folder.path, "wrong"), "drawbridge:wrong");
  await writeFile(join(folder.path, "none"), "password");
  await expect(open("wrong", url).start(AbortSignal.timeout(240_000))).rejects.toMatchObject({
    code: "COLUMNAR_FAILED",
  });
  await expect(open("none", url).start(AbortSignal.timeout(240_000))).rejects.toMatchObject({
    code: "COLUMNAR_CREDENTIALS_INVALID",
  });
  const away = open("credentials", `http://127.0.0.1:${String(await freePort())}`);
  const giveUp = new AbortController();
  const starting = away.start(giveUp.signal);
  await expect.poll(() => away.health()).toContain("cannot be reached");
  giveUp.abort(new Error("enough"));
  await expect(starting).rejects.toThrow("enough");
  await expect(away.query({ sql: sql`SELECT 1 AS one` })).rejects.toMatchObject({
    code: "COLUMNAR_UNAVAILABLE",
    retryAfterMs: 500,
  });
  await away.stop(AbortSignal.timeout(10_000));
});

/** http://user:password@host:8123/database of an empty database on a server of its own. */
const realServer = process.env["DRAWBRIDGE_TEST_CLICKHOUSE_URL"];

test("a real ClickHouse server does the same", async (context) => {
  if (realServer === undefined) {
    const missing = "no ClickHouse server: set DRAWBRIDGE_TEST_CLICKHOUSE_URL";
    console.warn(`SKIPPED: ${missing}`);
    return context.skip(missing);
  }
  const { origin, username, password, pathname } = new URL(realServer);
  const credentialsFile = join(folder.path, "real");
  await writeFile(credentialsFile, `${decodeURIComponent(username)}:${decodeURIComponent(password)}`);
  const store = openColumnarStore({
    engine: { kind: "cluster", url: origin, database: pathname.slice(1), credentialsFile },
    logger: createTestLogger().logger,
  });
  onTestFinished(() => store.stop(AbortSignal.timeout(10_000)));
  await store.start(AbortSignal.timeout(240_000));
  await insertAndRead(store);
});
