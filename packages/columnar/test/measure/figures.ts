/**
 * Prints what the embedded store does on this machine: `node test/measure/figures.ts [millions of rows]`.
 * Insert of files of 100 000 rows with the columns of request events, with fsync; a GROUP BY over all of them in an engine
 * that has just been started, with its files put out of the page cache, and warm; memory.
 */
import { execFile } from "node:child_process";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { availableParallelism, loadavg, tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import {
  createNativeBlockWriter,
  dateTime64Column,
  ipv6Column,
  lowCardinalityColumn,
  openColumnarStore,
  sql,
  uint16Column,
  uint32Column,
  uint64Column,
  type ColumnarStore,
} from "../../src/index.ts";
import { enginePid } from "../support/processes.ts";

const millions = Number(process.argv[2] ?? 10);
const rowsOfAFile = 100_000;
const files = (millions * 1_000_000) / rowsOfAFile;
const silent = { info: () => undefined, warn: () => undefined, error: () => undefined };
const folder = await mkdtemp(join(tmpdir(), "drawbridge-columnar-"));
const directory = join(folder, "store");

const words = {
  env_id: 3,
  api_name: 120,
  api_version: 5,
  application: 800,
  gateway_id: 12,
  resource_path: 900,
  verb: 5,
  violated_policy: 9,
  continent: 7,
  country: 120,
  city: 5_000,
  timezone: 90,
  browser: 20,
  os_family: 12,
} as const;
const numbers = ["api_id", "latency_us", "upstream_us", "req_bytes", "resp_bytes", "producer_epoch"] as const;

const schema = {
  name: "0001_create_events",
  statements: [
    `CREATE TABLE IF NOT EXISTS events (
      ts DateTime64(3, 'UTC') CODEC(Delta, ZSTD(1)), batch_seq UInt64 CODEC(Delta, ZSTD(1)), status_code UInt16 CODEC(ZSTD(1)),
      client_ip IPv6 CODEC(ZSTD(1)), ${numbers.map((name) => `${name} UInt32 CODEC(ZSTD(1))`).join(", ")},
      ${Object.keys(words)
        .map((name) => `${name} LowCardinality(String)`)
        .join(", ")}
    ) ENGINE = MergeTree PARTITION BY toYYYYMMDD(ts) ORDER BY (env_id, api_id, ts)
    SETTINGS non_replicated_deduplication_window = 10000, fsync_after_insert = 1, fsync_part_directory = 1`,
  ],
};

// xorshift32: figures are to repeat.
let state = 2_463_534_242;
function random(below: number): number {
  state ^= state << 13;
  state ^= state >>> 17;
  state ^= state << 5;
  return (state >>> 0) % below;
}

function print(name: string, figure: string): void {
  process.stdout.write(`${name.padEnd(58)} ${figure}\n`);
}

function open(): ColumnarStore {
  return openColumnarStore({ engine: { kind: "embedded", directory }, logger: silent });
}

/** CPU seconds, user and system, that a process has taken. */
async function cpuSeconds(pid: number): Promise<number> {
  const stat = await readFile(`/proc/${String(pid)}/stat`, "utf8");
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return (Number(fields[11]) + Number(fields[12])) / 100;
}

async function residentMb(pid: number): Promise<string> {
  const status = await readFile(`/proc/${String(pid)}/status`, "utf8");
  const threads = /^Threads:\s+(\d+)/m.exec(status)?.[1] ?? "?";
  const kb = Number(/^VmRSS:\s+(\d+) kB/m.exec(status)?.[1]);
  return `${(kb / 1024).toFixed(0)} MB, ${threads} threads`;
}

const writer = createNativeBlockWriter({
  ts: dateTime64Column(),
  batch_seq: uint64Column(),
  status_code: uint16Column(),
  client_ip: ipv6Column(),
  ...(Object.fromEntries(numbers.map((name) => [name, uint32Column()])) as Record<
    (typeof numbers)[number],
    ReturnType<typeof uint32Column>
  >),
  ...(Object.fromEntries(Object.keys(words).map((name) => [name, lowCardinalityColumn()])) as Record<
    keyof typeof words,
    ReturnType<typeof lowCardinalityColumn>
  >),
});
const wordColumns = Object.entries(words).map(([name, distinct]) => {
  const column = writer.columns[name as keyof typeof words];
  return { column, texts: Array.from({ length: distinct }, (_, index) => `${name} ${String(index)}`) };
});
const numberColumns = numbers.map((name) => writer.columns[name]);
const columnCount = 4 + numberColumns.length + wordColumns.length;
const start = Date.UTC(2026, 0, 1);
const dayMs = 86_400_000;
const address = new Uint8Array(16).fill(0xff, 10, 12);

/** Fills the writer with the rows of one file, a second's worth of one of thirty days; texts are looked up. */
function fill(file: number): void {
  const secondMs = start + (file % 30) * dayMs + random(86_400) * 1000;
  for (let row = 0; row < rowsOfAFile; row += 1) {
    writer.columns.ts.push(secondMs + random(1000));
    writer.columns.batch_seq.push(file * rowsOfAFile + row);
    writer.columns.status_code.push(random(20) === 0 ? 500 : 200);
    address[13] = random(4);
    address[14] = random(256);
    address[15] = random(200);
    writer.columns.client_ip.push(address);
    for (const column of numberColumns) column.push(random(100_000));
    for (const { column, texts } of wordColumns) column.push(texts[random(texts.length)] ?? "");
  }
}

const groupBy = sql`SELECT api_name, count() AS requests, countIf(status_code >= 500) AS errors,
  quantileTDigest(0.95)(latency_us) AS p95 FROM events GROUP BY api_name ORDER BY requests DESC LIMIT 10`;

interface Timing {
  readonly wallMs: number;
  /** Of the engine, all threads; counted in hundredths of a second. */
  readonly cpuMs: number;
}

async function timed(store: ColumnarStore, engine: number, runs: number): Promise<readonly Timing[]> {
  const timings: Timing[] = [];
  for (let run = 0; run < runs; run += 1) {
    const cpu = await cpuSeconds(engine);
    const before = performance.now();
    await store.query({ sql: groupBy, limits: { maxExecutionMs: 60_000 } });
    const wallMs = performance.now() - before;
    timings.push({ wallMs, cpuMs: ((await cpuSeconds(engine)) - cpu) * 1000 });
  }
  return timings;
}

function median(values: readonly number[]): string {
  return `${(values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0).toFixed(0)} ms`;
}

function describe(timings: readonly Timing[]): string {
  return `${median(timings.map(({ wallMs }) => wallMs))}, CPU ${median(timings.map(({ cpuMs }) => cpuMs))}`;
}

let store = open();
const beforeStart = performance.now();
await store.start(AbortSignal.timeout(240_000));
print(`machine`, `${String(availableParallelism())} CPUs, load ${loadavg()[0]?.toFixed(1) ?? "?"} before`);
print("start of an empty store", `${(performance.now() - beforeStart).toFixed(0)} ms`);
await store.migrate([schema]);
let pid = await enginePid(directory);
print("engine idle, empty", await residentMb(pid));

let encodeMs = 0;
let encodeCpu = 0;
let insertMs = 0;
let bytes = 0;
const cpuBefore = await cpuSeconds(pid);
for (let file = 0; file < files; file += 1) {
  fill(file);
  const path = join(folder, `${String(file)}.native`);
  const encoding = performance.now();
  const cpu = process.cpuUsage();
  writer.encode();
  encodeMs += performance.now() - encoding;
  const { user, system } = process.cpuUsage(cpu);
  encodeCpu += user + system;
  bytes += (await writer.writeFile(path)).sizeBytes;
  const inserting = performance.now();
  await store.insertFile({ table: "events", path, token: String(file) });
  insertMs += performance.now() - inserting;
  await rm(path);
}
const rows = files * rowsOfAFile;
const insertCpu = (await cpuSeconds(pid)) - cpuBefore;
print(
  `encode, ${String(columnCount)} columns (values are in the writer)`,
  `${((encodeMs * 1000) / rows).toFixed(3)} us/row, CPU ${(encodeCpu / rows).toFixed(3)} us/row`,
);
print("file", `${(bytes / rows).toFixed(1)} B/row`);
print(
  "insertFile, 100 000 rows each",
  `${(rows / insertMs).toFixed(0)} k rows/s, ${((insertCpu * 1e6) / rows).toFixed(2)} us CPU/row with merges`,
);
const [stats] = await store.stats();
print("on disk", `${(Number(stats?.diskBytes) / rows).toFixed(1)} B/row in ${String(stats?.parts)} parts`);
print("engine after the inserts", await residentMb(pid));

await store.stop(AbortSignal.timeout(30_000));
// GNU dd: with nocache and nothing to copy, the file's pages are dropped.
await promisify(execFile)("find", [
  directory,
  "-type",
  "f",
  "-exec",
  "dd",
  "if={}",
  "iflag=nocache",
  "count=0",
  "status=none",
  ";",
]);
store = open();
await store.start(AbortSignal.timeout(240_000));
pid = await enginePid(directory);
print(`GROUP BY over ${String(millions)} M rows, new engine, cold files`, describe(await timed(store, pid, 1)));
print("the same, warm, median of 7", describe(await timed(store, pid, 7)));
const peak = Array.from({ length: 4 }, () => timed(store, pid, 1));
print("engine while 4 of them run", await residentMb(pid));
await Promise.all(peak);
const idleCpu = await cpuSeconds(pid);
const idleFrom = performance.now();
await new Promise((resolve) => setTimeout(resolve, 5_000));
const idleShare = ((await cpuSeconds(pid)) - idleCpu) / ((performance.now() - idleFrom) / 1000);
print("engine idle afterwards", `${await residentMb(pid)}, ${(idleShare * 100).toFixed(1)} % of a core`);
print("load at the end", loadavg()[0]?.toFixed(1) ?? "?");
await store.stop(AbortSignal.timeout(30_000));
await rm(folder, { recursive: true });
