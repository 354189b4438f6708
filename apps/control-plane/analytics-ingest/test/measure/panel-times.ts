/**
 * Prints how long the questions of a dashboard take over 90 days in which requests came on the last 30:
 * `node test/measure/panel-times.ts [millions of requests] [times]`. Blocks and roll-ups are made and inserted as the writer does
 * it; the receiver, which takes nothing that old, is left out. `times` 10: single requests are inserted ten times, for questions
 * that no roll-up answers. First: in an engine that was just started.
 */
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { availableParallelism, loadavg, tmpdir } from "node:os";
import { join } from "node:path";
import { openColumnarStore, readColumnarMigrations, type ColumnarStore } from "@drawbridge/columnar";
import { answerQuery } from "../../src/query/answer-query.ts";
import type { Question } from "../../src/query/build-query.ts";
import { checkSelection, type Filter } from "../../src/query/selection.ts";
import { bucketBegins } from "../../src/query/time-buckets.ts";
import { createRequestBlock } from "../../src/write/request-block.ts";
import { createRollUp } from "../../src/write/roll-ups/roll-up.ts";
import { rollUpNames } from "../../src/write/roll-ups/roll-up-names.ts";

const requests = Number(process.argv[2] ?? 10) * 1_000_000;
const times = Number(process.argv[3] ?? 1);
const rowsOfABlock = 250_000;
const dayMs = 86_400_000;
const to = Math.floor(Date.now() / dayMs) * dayMs;
const repetitions = 10;

let state = 2_463_534_242;
function random(below: number): number {
  state ^= state << 13;
  state ^= state >>> 17;
  state ^= state << 5;
  return (state >>> 0) % below;
}
/** Few of many are most of all, as in traffic. */
const few = (below: number): number => Math.trunc((random(below) * random(below)) / below);

const block = createRequestBlock();
const rollUp = createRollUp(block);
const { columns } = block;

/** So many names of a column. */
const named = (name: string, count: number): readonly string[] =>
  Array.from({ length: count }, (_, index) => `${name}-${index}`);
const apis = named("api", 120);
const applications = named("application", 800);
const paths = named("/resource", 500);
const cities = named("city", 3_000);
const browsers = named("browser", 12);

function addRequest(ms: number): void {
  const api = few(apis.length);
  const draw = random(1_000);
  const isViolation = draw >= 985;
  const city = few(cities.length);
  const browser = few(browsers.length);
  const latency = isViolation ? 300 : 2_000 + random(3_000) + (random(100) === 0 ? random(900_000) : random(20_000));
  columns.ts.push(ms);
  columns.received_at.push(Math.floor(ms / 1_000));
  columns.fabric_id.push(api % 2 === 0 ? "fabric-a" : "fabric-b");
  columns.environment.push("production");
  columns.api_id.push(`id of ${apis[api] ?? ""}`);
  columns.api.push(apis[api] ?? "");
  columns.api_version.push("v1");
  columns.app.push(`app of ${apis[api >> 1] ?? ""}`);
  columns.replica.push(`r${random(4)}`);
  columns.application.push(applications[few(applications.length)] ?? "");
  columns.gateway.push(`gateway-${api % 4}`);
  columns.epoch.push(1);
  columns.sequence.push(Math.floor(ms / 10_000) - 170_000_000);
  columns.resource_path.push(paths[(api * 4 + few(24)) % paths.length] ?? "");
  columns.verb.push(random(4) === 0 ? "POST" : "GET");
  columns.status_code.push(draw < 920 ? 200 : draw < 960 ? 404 : isViolation ? 429 : 500);
  columns.disposition.push(isViolation ? 2 : 1);
  columns.policy_id.push(isViolation ? "p" : "");
  columns.policy.push(isViolation ? "rate-limit" : "");
  columns.violated_policy.push(isViolation ? "rate-limit" : "");
  columns.latency_us.push(latency);
  columns.upstream_us.push(isViolation ? 0 : latency - 200 - random(400));
  columns.request_bytes.push(random(2_000));
  columns.response_bytes.push(200 + random(20_000));
  columns.weight.push(1);
  const client = few(200_000);
  columns.client_ip.push(Uint8Array.of(0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 255, 255, 10, client >> 16, client >> 8, client));
  columns.continent.push("EU");
  columns.country.push(`C${city % 60}`);
  columns.city.push(cities[city] ?? "");
  columns.postal_code.push("");
  columns.timezone.push(`Zone/${city % 20}`);
  columns.browser.push(browsers[browser] ?? "");
  columns.user_agent_type.push("browser");
  columns.user_agent_version.push(`${120 + (browser % 5)}.0`);
  columns.hardware_platform.push(browser % 3 === 0 ? "mobile" : "desktop");
  columns.os_family.push(["Windows", "Linux", "Android"][browser % 3] ?? "");
  for (const name of ["os_major_version", "os_minor_version", "os_version"] as const) columns[name].push("10");
}

function print(name: string, figure: string): void {
  process.stdout.write(`${name.padEnd(52)} ${figure}\n`);
}

const berlin = { from: new Date(to - 90 * dayMs), to: new Date(to) };
const byDay = bucketBegins("day", "Europe/Berlin", berlin);
const isApi: Filter = { dimension: "api", values: ["api-3"], negated: false };

function ask(asked: Partial<Question> & { readonly filters?: readonly Filter[] }): Question {
  const { filters = [], ...others } = asked;
  const selection = checkSelection({ environments: ["production"], ...berlin, filters });
  return { selection, reachesNow: false, begins: [], groupBy: [], measures: ["requests"], limit: 10, ...others };
}

const panels: Readonly<Record<string, Question>> = {
  "requests by day and class": ask({ begins: byDay, groupBy: ["status_class"] }),
  "errors by day": ask({ begins: byDay, measures: ["requests", "client_errors", "server_errors", "violations"] }),
  "percentiles by day": ask({ begins: byDay, measures: ["latency_p50_ms", "latency_p95_ms", "latency_p99_ms"] }),
  "one API's errors by day": ask({
    begins: byDay,
    measures: ["requests", "error_rate"],
    filters: [isApi],
  }),
  "one API's percentiles by day": ask({ begins: byDay, measures: ["latency_p95_ms"], filters: [isApi] }),
  "gateway's share by day": ask({ begins: byDay, measures: ["gateway_mean_ms", "upstream_mean_ms"] }),
  "bytes by day": ask({ begins: byDay, measures: ["request_bytes", "response_bytes"] }),
  "top APIs": ask({ groupBy: ["api"], measures: ["requests", "error_rate", "latency_p95_ms"] }),
  "top applications": ask({ groupBy: ["application"], measures: ["requests", "server_errors"] }),
  "top countries": ask({ groupBy: ["country"] }),
  "top cities": ask({ groupBy: ["city"] }),
  "top browsers": ask({ groupBy: ["browser", "os_family"] }),
  "violated policies by day": ask({ begins: byDay, groupBy: ["violated_policy"], measures: ["violations"] }),
  "top paths": ask({ groupBy: ["resource_path"] }),
  "status codes of one API": ask({ groupBy: ["status_code"], filters: [isApi] }),
  "slowest paths": ask({ groupBy: ["resource_path"], measures: ["latency_p95_ms"] }),
  "top clients": ask({ groupBy: ["client_ip"] }),
  "unique clients": ask({ measures: ["unique_clients"] }),
};

const folder = await mkdtemp(join(tmpdir(), "drawbridge-panel-times-"));
const silent = { info: () => undefined, warn: () => undefined, error: () => undefined };
const engine = { kind: "embedded", directory: join(folder, "store") } as const;

async function withStore(work: (store: ColumnarStore) => Promise<void>): Promise<void> {
  const store = openColumnarStore({ engine, logger: silent });
  await store.start(AbortSignal.timeout(240_000));
  try {
    await work(store);
  } finally {
    await store.stop(AbortSignal.timeout(20_000));
  }
}

async function fillStore(store: ColumnarStore): Promise<void> {
  await store.migrate(await readColumnarMigrations(join(import.meta.dirname, "../../migrations")));
  for (let made = 0; made < requests; made += rowsOfABlock) {
    for (let row = made; row < made + rowsOfABlock; row += 1) {
      addRequest(to - 30 * dayMs + Math.floor((row / requests) * 30 * dayMs));
    }
    rollUp.fill();
    const files = [];
    for (const [table, writer] of [
      ...rollUpNames.map((name) => [name, rollUp.blocks[name]] as const),
      ["requests", block] as const,
    ]) {
      const path = join(folder, `${table}.native`);
      await writer.writeFile(path);
      files.push({ table, path, token: `${table} ${made}` });
    }
    await store.insertFiles(files);
    const requestFiles = files.filter(({ table }) => table === "requests");
    for (let copy = 1; copy < times; copy += 1) {
      for (const { table, path, token } of requestFiles) {
        await store.insertFile({ table, path, token: `${token} ${copy}` });
      }
    }
  }
}

/** Of the engine, user and system. */
async function cpuMs(): Promise<number> {
  const pid = /PID: (\d+)/.exec(await readFile(join(folder, "store/data/status"), "utf8"))?.[1] ?? "";
  const text = await readFile(`/proc/${pid}/stat`, "utf8");
  const fields = text.slice(text.lastIndexOf(")") + 2).split(" ");
  return (Number(fields[11]) + Number(fields[12])) * 10;
}

async function time(
  store: ColumnarStore,
  question: Question,
): Promise<{ readonly ms: number; readonly source: string }> {
  const beganMs = performance.now();
  const { source } = await answerQuery(
    { store, clock: { now: () => new Date(to) }, retentionDays: 90 },
    question,
    AbortSignal.timeout(60_000),
  );
  return { ms: performance.now() - beganMs, source };
}

try {
  await withStore(async (store) => {
    await fillStore(store);
    for (const { table, rows, diskBytes, parts } of await store.stats()) {
      print(
        `  ${table}`,
        `${rows} rows, ${(Number(diskBytes) / requests / (table === "requests" ? times : 1)).toFixed(2)} B per request, ${parts} parts`,
      );
    }
  });
  await withStore(async (store) => {
    print(
      "machine",
      `${availableParallelism()} cores, load ${loadavg()
        .map((load) => load.toFixed(1))
        .join(" ")}`,
    );
    for (const [name, question] of Object.entries(panels)) {
      const first = await time(store, question);
      const before = await cpuMs();
      const timesMs: number[] = [];
      for (let repetition = 0; repetition < repetitions; repetition += 1)
        timesMs.push((await time(store, question)).ms);
      const cpu = ((await cpuMs()) - before) / repetitions;
      const [median, p95] = [0.5, 0.95].map(
        (rank) => timesMs.toSorted((a, b) => a - b)[Math.floor(repetitions * rank)] ?? 0,
      );
      print(
        name,
        `first ${first.ms.toFixed(0)} ms, median ${median?.toFixed(0)}, p95 ${p95?.toFixed(0)}, CPU ${cpu.toFixed(0)} ms, of ${first.source}`,
      );
    }
  });
} finally {
  await rm(folder, { recursive: true, force: true });
}
