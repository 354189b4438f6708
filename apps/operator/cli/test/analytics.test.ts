import { readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { Readable } from "node:stream";
import { DrawbridgeError } from "@drawbridge/errors";
import { describe, expect, test } from "vitest";
import { aRequestLine } from "./support/api-answers.ts";
import { cliAgainstStandIn } from "./support/cli-against.ts";

const now = new Date("2026-11-22T12:00:00Z");
const { api, folder, asked, run: runAny } = cliAgainstStandIn(now);
const run: typeof runAny = (args, parts) => runAny(["analytics", ...args], parts);

const figuresLine = "GET /v1/environments/production/analytics";
const utc = ["--time-zone", "UTC"];

const bucketAt = (day: number): string => new Date(Date.UTC(2026, 10, day)).toISOString();
/** Of Berlin. */
const dayBegin = (day: number): string => new Date(Date.UTC(2026, 10, day - 1, 23)).toISOString();
const figures = {
  from: bucketAt(18),
  to: bucketAt(22),
  timeZone: "Europe/Berlin",
  bucket: "day",
  groupBy: ["api", "statusClass"],
  measures: ["requests", "errorRate", "latencyP95Ms"],
  buckets: [18, 19, 20, 21].map(dayBegin),
  rows: [
    {
      day: 18,
      group: { api: "orders", statusClass: "2xx" },
      values: { requests: 12_345, errorRate: 0, latencyP95Ms: 12.34 },
    },
    { day: 18, group: { api: "", statusClass: "none" }, values: { requests: 1, errorRate: 1, latencyP95Ms: null } },
    {
      day: 21,
      group: { api: "orders", statusClass: "2xx" },
      values: { requests: 6_000, errorRate: 0.0123, latencyP95Ms: 1_234.5 },
    },
  ].map(({ day, group, values }) => ({ group, values, bucket: dayBegin(day) })),
  isCut: true,
  missingRequests: 1_500,
  source: "api_traffic_15m",
  keptSince: "2026-08-24T12:00:00.000Z",
};

describe("analytics query (ANA 3)", () => {
  test("sends what was asked, in the words of the API", async () => {
    await run([
      "query",
      "--since",
      "7d",
      "--by",
      "hour",
      "--group",
      "api,status",
      "--measure",
      "requests,p95",
      "--where",
      "status=5xx,application!=shop",
      "--where",
      "path=/orders/{id}|/users",
      "--time-zone",
      "Europe/Berlin",
      "--limit",
      "5",
      "-e",
      "production",
    ]);
    expect(asked()).toMatchObject({
      line: figuresLine,
      query: {
        from: "2026-11-15T12:00:00.000Z",
        to: "2026-11-22T12:00:00.000Z",
        timeZone: "Europe/Berlin",
        bucket: "hour",
        groupBy: "api,statusClass",
        measures: "requests,latencyP95Ms",
        where: ["statusClass=5xx", "application!=shop", "resourcePath=/orders/{id}|/users"],
        limit: "5",
      },
    });
  });

  test("--from and --to are days of the time zone, or instants", async () => {
    await run(["query", "--from", "2026-03-29", "--to", "2026-03-30T00:00:00Z", "--time-zone", "Europe/Berlin"]);
    expect(asked()?.query).toMatchObject({ from: "2026-03-28T23:00:00.000Z", to: "2026-03-30T00:00:00.000Z" });
  });

  test("prints a table with units, days of the zone, bars over the time, and what is missing", async () => {
    api().scripted.set(figuresLine, () => figures);
    const ran = await run(["query", "--by", "day"]);
    expect(ran.exitCode).toBe(0);
    expect(ran.stdout).toBe(`DAY (Europe/Berlin)  API     STATUS  REQUESTS  ERROR-RATE       P95
2026-11-18           orders  2xx       12,345      0.00 %   12.3 ms
2026-11-18           -       none           1    100.00 %         -
2026-11-21           orders  2xx        6,000      1.23 %  1,235 ms

orders 2xx  █▁▁▄
- none      █▁▁▁
`);
    expect(ran.stderr).toBe(
      "there are more groups: --limit shows more of them\nup to 1,500 more requests of this time are known to be missing: drawbridge analytics intake\n",
    );
  });

  test("names that strangers chose move no cursor, in rows and beside the bars", async () => {
    const rows = figures.rows.map((row) => ({ ...row, group: { api: "a\u001b[2J", statusClass: "2xx" } }));
    api().scripted.set(figuresLine, () => ({ ...figures, rows }));
    const { stdout } = await run(["query", "--by", "day"]);
    expect(stdout.match(/a\\u\{1b\}\[2J/g)).toHaveLength(rows.length + 1);
    expect(stdout).not.toContain("\u001b");
  });

  test("fits the terminal", async () => {
    const wide = {
      ...figures,
      rows: figures.rows.map((row) => ({ ...row, group: { ...row.group, api: "x".repeat(200) } })),
    };
    api().scripted.set(figuresLine, () => wide);
    let printed = "";
    const stdout = { write: (text: string) => void (printed += text), isTTY: true, columns: 80 };
    await run(["query", "--by", "day"], { stdout });
    for (const line of printed.split("\n\n")[0]?.split("\n") ?? []) expect(line.length).toBeLessThanOrEqual(80);
  });

  test("-o csv has a line of names and nothing for what there is none of", async () => {
    api().scripted.set(figuresLine, () => figures);
    const ran = await run(["query", "--by", "day", "-o", "csv"]);
    expect(ran.stdout.split("\n").slice(0, 3)).toEqual([
      "bucket,api,statusClass,requests,errorRate,latencyP95Ms",
      `${figures.rows[0]?.bucket ?? ""},orders,2xx,12345,0,12.34`,
      `${figures.rows[1]?.bucket ?? ""},,none,1,1,`,
    ]);
  });

  test("-o json is the answer as it is", async () => {
    api().scripted.set(figuresLine, () => figures);
    expect(JSON.parse((await run(["query", "-o", "json"])).stdout)).toEqual(
      expect.objectContaining({ rows: figures.rows, missingRequests: 1_500 }),
    );
  });

  test("says from when on there is anything, where the time goes further back", async () => {
    api().scripted.set(figuresLine, () => ({
      ...figures,
      from: "2026-01-01T00:00:00.000Z",
      isCut: false,
      missingRequests: 0,
    }));
    const { stderr } = await run(["query"]);
    expect(stderr).toBe("what came before 2026-08-24 14:00:00 GMT+2 is not kept any more\n");
  });

  test("of nothing says so, apart from the data", async () => {
    api().scripted.set(figuresLine, () => ({ ...figures, rows: [], isCut: false, missingRequests: 0 }));
    expect(await run(["query"])).toMatchObject({ exitCode: 0, stdout: "", stderr: "no requests in this time\n" });
  });

  test.each([
    ["--group", "api,nonsense", "application"],
    ["--measure", "p42", "p95"],
    ["--by", "fortnight", "week"],
    ["--where", "api", "dimension=value"],
    ["--where", "constructor=1", "api-version"],
    ["--from", "yesterday", "2026-01-31"],
    ["--time-zone", "Mars/Olympus", "Europe/Berlin"],
    ["--since", "7 days", "7d"],
    ["--limit", "0", "1 to 10000"],
  ])("%s %s exits with 2 and says what there is", async (option, value, hint) => {
    const before = api().requests.length;
    const ran = await run(["query", option, value]);
    expect(ran.exitCode).toBe(2);
    expect(ran.stderr).toContain(hint);
    expect(api().requests).toHaveLength(before);
  });

  test("where the control plane keeps no analytics the message says so", async () => {
    api().failWith = new DrawbridgeError({
      kind: "unimplemented",
      code: "ANALYTICS_NOT_KEPT",
      message: "keeps no analytics",
    });
    const ran = await run(["query"]);
    api().failWith = undefined;
    expect(ran).toMatchObject({ exitCode: 1, stderr: "error: keeps no analytics\n(ANALYTICS_NOT_KEPT)\n" });
  });
});

test("analytics top ranks with a trend, and policies are those that were violated", async () => {
  const ranked = {
    ...figures,
    bucket: null,
    groupBy: ["violatedPolicy", "api"],
    measures: ["requests", "errorRate", "latencyP50Ms", "latencyP95Ms"],
    buckets: [],
    rows: [
      {
        bucket: null,
        group: { violatedPolicy: "limit", api: "orders" },
        values: { requests: 40, errorRate: 0.5, latencyP50Ms: 1, latencyP95Ms: 2 },
      },
    ],
  };
  const trend = {
    ...ranked,
    measures: ["requests"],
    buckets: figures.buckets,
    rows: figures.buckets.slice(1).map((bucket, index) => ({
      bucket,
      group: { violatedPolicy: "limit", api: "orders" },
      values: { requests: index * 20 },
    })),
  };
  const answers = [ranked, trend];
  api().scripted.set(figuresLine, () => answers.shift());
  const ran = await run(["top", "policies", ...utc]);
  expect(ran.stdout).toBe(`POLICY  API     REQUESTS  ERROR-RATE     P50     P95  TREND
limit   orders        40     50.00 %  1.0 ms  2.0 ms  ▁▁▅█
`);
  expect(asked()?.query).toMatchObject({ where: "violatedPolicy!=", bucket: "quarterHour", limit: "10" });
  expect((await run(["top", "everything"])).exitCode).toBe(2);
});

describe("analytics tail", () => {
  const path = "GET /v1/environments/production/analytics/requests";
  const lines =
    (...documents: object[]) =>
    () =>
      Readable.from(documents.map((document) => `${JSON.stringify(document)}\n`));

  test("prints the newest last, with zone, and why a request was refused", async () => {
    const newest = {
      ...aRequestLine,
      time: "2026-11-22T11:00:01Z",
      statusCode: 0,
      violatedPolicy: "",
      disposition: "error",
      application: "",
      clientIp: "",
      weight: 7,
      latencyMs: 1_234.5,
    };
    api().scripted.set(path, lines(newest, aRequestLine));
    const ran = await run(["tail", "--where", "status=429", ...utc]);
    expect(ran.stdout).toBe(
      "2026-01-01 00:00:00 UTC  429  GET /orders/{id}  1.3 ms  orders:v1  shop  192.0.2.0  refused by limit\n" +
        "2026-11-22 11:00:01 UTC  ---  GET /orders/{id}  1235 ms  orders:v1  -  -  error  for 7\n",
    );
    expect(asked()?.query).toMatchObject({ where: "statusCode=429", limit: "20", from: "2026-11-21T12:00:00.000Z" });
  });

  test("what strangers wrote moves no cursor, and is exact with -o json", async () => {
    const hostile = { ...aRequestLine, application: "shop\u001b[2J", resourcePath: "/\u202e{id}\r" };
    api().scripted.set(path, lines(hostile));
    expect((await run(["tail", ...utc])).stdout).toBe(
      "2026-01-01 00:00:00 UTC  429  GET /\\u{202e}{id}\\u{d}  1.3 ms  orders:v1  shop\\u{1b}[2J  192.0.2.0  refused by limit\n",
    );
    api().scripted.set(path, lines(hostile));
    expect((await run(["tail", "-o", "json"])).stdout).toBe(`${JSON.stringify(hostile)}\n`);
  });

  test("-f prints as they come, says what is left out, and ends with the error that ended it", async () => {
    const end = { type: "error", code: "COLUMNAR_UNAVAILABLE", detail: "the store is away" };
    api().scripted.set(
      path,
      lines(
        aRequestLine,
        { type: "heartbeat", at: now.toISOString() },
        { type: "leftOut", requests: 4_000 },
        { type: "later" },
        end,
      ),
    );
    const ran = await run(["tail", "-f", ...utc]);
    expect(ran.stdout.trimEnd().split("\n")).toHaveLength(1);
    expect(ran).toMatchObject({ exitCode: 5 });
    expect(ran.stderr).toBe(
      "4,000 requests are left out: more came than can be told\nerror: the requests end early: the store is away\n(COLUMNAR_UNAVAILABLE)\n",
    );
    expect(asked()?.query).toMatchObject({ follow: "true" });
  });
});

test.each([
  [["tail", "-f"], "/analytics/requests"],
  [["export", "--out", "never.csv"], "/analytics/export"],
])("%j of a connection that is cut exits with 5", async (args, part) => {
  api().scripted.set(`GET /v1/environments/production${part}`, () =>
    Readable.from(
      (async function* cut() {
        yield `${JSON.stringify(aRequestLine)}\n`;
        await new Promise((resolve) => setImmediate(resolve));
        throw new Error("cut");
      })(),
    ),
  );
  expect(await run(args)).toMatchObject({
    exitCode: 5,
    stderr: expect.stringContaining("CONTROL_PLANE_UNREACHABLE") as string,
  });
});

describe("analytics export", () => {
  const path = "GET /v1/environments/production/analytics/export";

  test("writes the bytes to a new file, in the format of its ending, and says how many", async () => {
    const bytes = Buffer.from([80, 65, 82, 49, 0, 10, 10, 255]);
    api().scripted.set(path, () => Readable.from([bytes.subarray(0, 3), bytes.subarray(3)]));
    const ran = await run([
      "export",
      "--out",
      "requests.parquet",
      "--from",
      "2026-03-01",
      "--to",
      "2026-04-01",
      ...utc,
    ]);
    expect(ran).toMatchObject({ exitCode: 0, stdout: "" });
    expect(ran.stderr).toContain("8 B are in requests.parquet");
    expect(await readFile(join(folder(), "requests.parquet"))).toEqual(bytes);
    expect(asked()?.query).toMatchObject({ format: "parquet", from: "2026-03-01T00:00:00.000Z" });
  });

  test("that breaks off leaves nothing and exits with 5", async () => {
    api().scripted.set(path, () =>
      Readable.from(
        (async function* broken() {
          yield Buffer.alloc(100_000, "x");
          await new Promise((resolve) => setImmediate(resolve));
          throw new Error("cut");
        })(),
      ),
    );
    const before = await readdir(folder());
    const ran = await run(["export", "--out", "broken.csv"]);
    expect(ran.exitCode).toBe(5);
    expect(await readdir(folder())).toEqual(before);
  });

  test("asks for nothing where a file is in the way", async () => {
    await writeFile(join(folder(), "mine.csv"), "mine");
    const before = api().requests.length;
    expect(await run(["export", "--out", "mine.csv"])).toMatchObject({ exitCode: 7 });
    expect([await readFile(join(folder(), "mine.csv"), "utf8"), api().requests.length]).toEqual(["mine", before]);
  });
});
