/**
 * Prints what it costs to write requests into the store on this machine, stage by stage and without a queue:
 * `node test/measure/writer-costs.ts [millions of requests]`. CPU (user and system) is the steady figure.
 */
import { mkdtemp, readFile, rm, stat, writeFile } from "node:fs/promises";
import { availableParallelism, loadavg, tmpdir } from "node:os";
import { join } from "node:path";
import type { QueueEntry } from "@drawbridge/bus";
import { openColumnarStore, readColumnarMigrations, sql } from "@drawbridge/columnar";
import { systemClock, uuidV7Ids } from "@drawbridge/lifecycle";
import { readBatch, type ReportableRequest } from "@drawbridge/request-batch";
import { PlaceFile } from "../../src/enrich/geography/place-file.ts";
import { createUserAgents } from "../../src/enrich/user-agent/user-agents.ts";
import { readQueuedBatch } from "../../src/receive/queued-batch.ts";
import { createBlockMaker, type RawBatch } from "../../src/write/block-maker.ts";
import { rollUpPath, rowsPath, spoolName } from "../../src/write/spool.ts";
import { rollUpNames } from "../../src/write/roll-ups/roll-up-names.ts";
import { cityRecord, ipv4Network, mmdbFile } from "../support/place-file.ts";
import { aQueuedBatch } from "../support/queued-batches.ts";

const requests = Number(process.argv[2] ?? 1) * 1_000_000;
const rowsOfABatch = 500;
const rowsOfABlock = 250_000;
const batchCount = requests / rowsOfABatch;

// xorshift32: figures are to repeat. Squared, so that a few values are most of all, as in traffic.
let state = 2_463_534_242;
function random(below: number): number {
  state ^= state << 13;
  state ^= state >>> 17;
  state ^= state << 5;
  return (state >>> 0) % below;
}
const skewed = (below: number): number => Math.floor((random(1_000_000) / 1_000_000) ** 3 * below);

function print(name: string, figure: string): void {
  process.stdout.write(`${name.padEnd(64)} ${figure}\n`);
}

const now = Date.now();
function aRequest(batch: number): Partial<ReportableRequest> {
  const status = random(100) < 93 ? 200 : [400, 401, 404, 429, 500, 503][random(6)];
  const client = skewed(200_000);
  return {
    receivedAtMs: now - 600_000 + Math.floor((batch / batchCount) * 590_000) + random(1_000),
    application: `application ${skewed(800)}`,
    resourcePath: `/resources-${skewed(40)}/{id}`,
    verb: ["GET", "POST", "PUT", "DELETE"][skewed(4)] ?? "GET",
    ...(status === undefined ? {} : { status }),
    ...(status === 429 ? { disposition: 2 as const, policy: { policyId: "p1", name: "rate limit" } } : {}),
    latencyUs: 800 + skewed(200_000),
    upstreamUs: 500 + skewed(150_000),
    requestBytes: skewed(4_000),
    responseBytes: skewed(60_000),
    clientAddress: `${1 + (client >> 16)}.${(client >> 8) & 255}.${client & 255}.${client % 251}`,
    userAgent: `Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/${skewed(120)}.0.${skewed(10)}.0 Safari/537.36`,
    replica: `orders-app-${random(3)}`,
  };
}

function aBatch(index: number): QueueEntry {
  return aQueuedBatch({
    sequence: Math.floor(index / 4) + 1,
    gatewayId: `gateway-${index % 4}`,
    receivedAtMs: now,
    requests: Array.from({ length: rowsOfABatch }, () => aRequest(index)),
    api: { apiId: `0199f000-0000-7000-8000-0000000000${10 + (skewed(80) % 80)}`, name: `api ${skewed(80)}` },
  });
}

function cpuUs(): number {
  const { user, system } = process.cpuUsage();
  return user + system;
}

/** Of another process, user and system. */
async function cpuUsOf(pid: number): Promise<number> {
  const text = await readFile(`/proc/${String(pid)}/stat`, "utf8");
  const fields = text.slice(text.lastIndexOf(")") + 2).split(" ");
  return (Number(fields[11]) + Number(fields[12])) * 10_000;
}

const folder = await mkdtemp(join(tmpdir(), "drawbridge-writer-costs-"));
const silent = { info: () => undefined, warn: () => undefined, error: () => undefined };
const store = openColumnarStore({ engine: { kind: "embedded", directory: join(folder, "store") }, logger: silent });
try {
  await store.start(AbortSignal.timeout(240_000));
  await store.migrate(await readColumnarMigrations(join(import.meta.dirname, "../../migrations")));
  const engine = Number(/PID: (\d+)/.exec(await readFile(join(folder, "store/data/status"), "utf8"))?.[1]);
  print(
    "machine",
    `${availableParallelism()} cores, load ${loadavg()
      .map((load) => load.toFixed(1))
      .join(" ")}`,
  );
  const raws: RawBatch[] = Array.from({ length: batchCount }, (_, index) => {
    const { bytes, headers } = aBatch(index);
    return { bytes, headers };
  });
  const wireBytes = raws.reduce((sum, { bytes }) => sum + bytes.length, 0);
  print("requests", `${requests}, ${(wireBytes / requests).toFixed(1)} B each in the queue`);

  const networks = Array.from({ length: 20_000 }, (_, index) =>
    ipv4Network(
      `${1 + (index >> 14)}.${(index >> 6) & 255}.${(index & 63) << 2}.0`,
      22,
      cityRecord({
        continent: "EU",
        country: `C${index % 90}`,
        city: `City ${index % 5_000}`,
        postalCode: String(index),
        timezone: `Zone/${index % 60}`,
      }),
    ),
  );
  await writeFile(join(folder, "places.mmdb"), mmdbFile(networks));
  const places = new PlaceFile(await readFile(join(folder, "places.mmdb")));
  const userAgents = createUserAgents(systemClock);
  const maker = createBlockMaker({
    placesVersion: () => 0,
    placeNumberOf: (addresses, offset) => places.placeNumberOf(addresses, offset),
    placeOf: (addresses, offset) => places.placeOf(addresses, offset),
    factsOf: (userAgent) => userAgents.factsOf(userAgent),
  });

  let before = cpuUs();
  for (const { bytes, headers } of raws) {
    readBatch(readQueuedBatch({ bytes, header: (name) => headers[name] ?? "" }).bytes);
  }
  const readUs = (cpuUs() - before) / requests;
  print("unpack and read", `${readUs.toFixed(3)} us each`);

  let addUs = 0;
  let writeUs = 0;
  let insertUs = 0;
  let insertWallMs = 0;
  let fileBytes = 0;
  const engineBefore = await cpuUsOf(engine);
  const perBlock = rowsOfABlock / rowsOfABatch;
  for (let first = 0; first < raws.length; first += perBlock) {
    before = cpuUs();
    for (const raw of raws.slice(first, first + perBlock)) maker.add(raw);
    addUs += cpuUs() - before;
    const name = spoolName(folder, { id: uuidV7Ids.next(), first, last: first + perBlock, tableId: "00000000" });
    before = cpuUs();
    await maker.write(name);
    writeUs += cpuUs() - before;
    fileBytes += (await stat(rowsPath(name))).size;
    before = cpuUs();
    const startedAt = performance.now();
    await store.insertFiles([
      { table: "requests", path: rowsPath(name), token: name.base },
      ...rollUpNames.map((table) => ({ table, path: rollUpPath(name, table), token: `${name.base}-${table}` })),
    ]);
    insertWallMs += performance.now() - startedAt;
    insertUs += cpuUs() - before;
  }
  print("unpack, read, enrich, append", `${(addUs / requests).toFixed(3)} us each`);
  print("  of it enrich and append", `${(addUs / requests - readUs).toFixed(3)} us each`);
  print(
    "encode and write the file",
    `${(writeUs / requests).toFixed(3)} us each, ${(fileBytes / requests).toFixed(1)} B each`,
  );
  print("wait for the insert", `${(insertUs / requests).toFixed(3)} us each`);
  const insertRate = (requests / insertWallMs) * 1_000;
  print("insert: one after the other", `${Math.round(insertRate / 1_000)} k/s by the clock`);
  print("engine's process, merges so far", `${((await cpuUsOf(engine)) - engineBefore) / requests} us each`);
  for (const { table, rows, diskBytes, parts } of await store.stats()) {
    print(`  ${table}`, `${rows} rows, ${(Number(diskBytes) / requests).toFixed(2)} B per request, ${parts} parts`);
  }
  const [sum] = await store.query({ sql: sql`SELECT sum(requests) AS rolled FROM api_traffic_15m` });
  print("counted in the roll-up", String(sum?.["rolled"]));
} finally {
  await store.stop(AbortSignal.timeout(10_000));
  await rm(folder, { recursive: true, force: true });
}
