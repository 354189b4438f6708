import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFile } from "node:fs/promises";
import { availableParallelism, totalmem } from "node:os";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { createGrantSigner } from "@drawbridge/analytics-access";
import { startTestStack, type TestStack } from "@drawbridge/local/testing";
import { loadIdentityDir } from "@drawbridge/pki";
import type { BenchResult, Figure } from "../bench-result.ts";
import { type Operator, logInAsOperator } from "../enforcement/operator.ts";
import { processMicros } from "../gateway/cpu-time.ts";
import { measureHistoryPanels, measurePanels } from "./panels.ts";
import type { SendOrder, SendReport } from "./send-batches.ts";
import { readStoppedStore } from "./stopped-store.ts";

/** As many as a gateway sends at once. */
const rowsPerBatch = 1_000;
const pacedRate = 50_000;
const pacedSeconds = 20;
/** The questions that tell what is visible share the two CPUs with what they watch. */
const askAgainMs = 250;
/** Requests of days before, for questions that roll-ups answer; later ones than seven days are not taken as what they are. */
const history = { requests: 1_000_000, days: 6 };
const hourMs = 3_600_000;
/** Everything that is sent as of now is within it, and nothing of the days before. */
const recentMs = 6 * hourMs;

/** `millions` of requests as fast as they are taken, then a pace, then questions about all of them. */
export async function runAnalyticsBench({ millions = 10 }: { readonly millions?: number } = {}): Promise<BenchResult> {
  await using stack = await startTestStack();
  using operator = await logInAsOperator(stack);
  const order = await orderFor(stack);
  console.log(`sending ${history.requests.toLocaleString("en")} requests of ${history.days} days before`);
  const days = await sendHistory(operator, order);
  const before = await readFigures(stack);

  console.log(`making and sending ${millions} million requests`);
  const flood = await send({ ...order, gatewayId: "flood", batches: (millions * 1_000_000) / rowsPerBatch, rate: 0 });
  const visibleAtMs = await untilVisible(operator, flood.requests);
  const afterFlood = await readFigures(stack);
  const floodSeconds = (visibleAtMs - flood.startedAtMs) / 1_000;
  console.log(`${pacedRate.toLocaleString("en")} requests per second for ${pacedSeconds} s`);
  const lagsMs: number[] = [];
  const paced = send({
    ...order,
    gatewayId: "pace",
    batches: (pacedRate * pacedSeconds) / rowsPerBatch,
    rate: pacedRate,
  });
  const seen = await watchVisible(operator, { already: flood.requests, wanted: pacedRate * pacedSeconds });
  const pace = await paced;
  for (const { atMs, requests } of seen) {
    const sentAtMs = pace.sent.find(([, handedOver]) => handedOver >= requests)?.[0];
    if (sentAtMs !== undefined) lagsMs.push(Math.max(0, atMs - sentAtMs));
  }
  const afterPace = await readFigures(stack);
  const total = flood.requests + pace.requests;
  const counted = await countRequests(operator);
  const countedBefore = await countRequests(operator, days.times);

  console.log("asking");
  const panels = { ...(await measurePanels(operator)), ...(await measureHistoryPanels(operator, days.times)) };
  console.log("looking at the store");
  const stored = await readStoppedStore(stack);
  lagsMs.sort((one, other) => one - other);
  const all = total + history.requests;
  const lagP99 = lagsMs[Math.floor(lagsMs.length * 0.99)] ?? Number.NaN;
  const cpu = (from: Figures, to: Figures, requests: number): Record<string, string | number> => ({
    "analytics-ingest and store µs/request": round((to.ingestMicros - from.ingestMicros) / requests),
    "NATS µs/request": round((to.natsMicros - from.natsMicros) / requests),
  });
  const row = (name: string, report: SendReport, seconds: number, used: Record<string, string | number>) => ({
    run: name,
    requests: report.requests,
    "acknowledged/s": Math.round((report.requests * 1_000) / (report.acknowledgedAtMs - report.startedAtMs)),
    "queryable/s": Math.round(report.requests / seconds),
    "ack p50 ms": round(report.ackP50Ms),
    "ack p99 ms": round(report.ackP99Ms),
    ...used,
    "wire bytes": round(report.wireBytes / report.requests),
    "asked to wait": report.later,
  });
  const paceSeconds = ((seen.at(-1)?.atMs ?? 0) - pace.startedAtMs) / 1_000;
  return {
    bench: "analytics",
    machine: { cpus: availableParallelism(), memoryGiB: Math.round(totalmem() / 2 ** 30), node: process.version },
    rows: [
      row("as fast as they are taken", flood, floodSeconds, cpu(before, afterFlood, flood.requests)),
      row(`${pacedRate} a second`, pace, paceSeconds, cpu(afterFlood, afterPace, pace.requests)),
    ],
    figures: {
      queryable_rate: atLeast(flood.requests / floodSeconds, "requests/s", 250_000),
      acknowledged_rate: atLeast(
        (flood.requests * 1_000) / (flood.acknowledgedAtMs - flood.startedAtMs),
        "requests/s",
        500_000,
      ),
      paced_ack_p99: atMost(pace.ackP99Ms, "ms", 25),
      paced_visible_p99: atMost(lagP99, "ms", 2_000),
      wire_bytes: atMost(pace.wireBytes / pace.requests, "bytes/request", 40),
      disk_bytes: atMost(stored.requestBytes / all, "bytes/request in the table of requests", 41),
      disk_bytes_of_roll_ups: plain(stored.rollUpBytes / all, "bytes/request"),
      direct_insert_rate: plain(stored.directInsertsPerSecond, "requests/s, from table to table in the engine alone"),
      flood_cpu: plain(
        (afterFlood.ingestMicros + afterFlood.natsMicros - before.ingestMicros - before.natsMicros) / flood.requests,
        "s of CPU per million requests: service, store and NATS",
      ),
      refused: atMost(days.refused + flood.refused + pace.refused, "batches", 0),
      missing: atMost(
        Math.abs(total - counted) + Math.abs(history.requests - countedBefore),
        "requests sent but not counted, or the other way",
        0,
      ),
      ...panels,
    },
  };
}

async function orderFor({ stack }: TestStack): Promise<Omit<SendOrder, "gatewayId" | "batches" | "rate">> {
  const signer = await loadIdentityDir(stack.layout.identity("runtime-manager"), new Date());
  const nowMs = Date.now();
  const token = createGrantSigner(() => signer)({
    fabricId: "01890000-0000-7000-8000-0000000000bb",
    environments: ["production"],
    issuedAt: new Date(nowMs),
    expiresAt: new Date(nowMs + 3_600_000),
    tokenId: "01890000-0000-7000-8000-0000000000cc",
  });
  const trustBundle = await readFile(join(stack.layout.identity("management-api"), "trust-bundle.json"), "utf8");
  const port = stack.ports.analyticsIngest;
  return { port, token, trustBundle, rowsPerBatch, connections: 4, inFlight: 16 };
}

/** Not measured: what comes so, spread over days, is written by nobody. */
async function sendHistory(
  operator: Operator,
  order: Awaited<ReturnType<typeof orderFor>>,
): Promise<{ readonly times: { readonly fromMs: number; readonly toMs: number }; readonly refused: number }> {
  const toMs = Math.floor((Date.now() - recentMs) / hourMs) * hourMs;
  const fromMs = toMs - history.days * 24 * hourMs + recentMs;
  const { refused } = await send({
    ...order,
    gatewayId: "days-before",
    batches: history.requests / rowsPerBatch,
    rate: 0,
    receivedMs: { first: fromMs, last: toMs - hourMs },
  });
  while ((await countRequests(operator, { fromMs, toMs })) < history.requests) await pause(100);
  return { times: { fromMs, toMs }, refused };
}

async function send(order: SendOrder): Promise<SendReport> {
  const child = spawn(process.execPath, ["--max-old-space-size=8192", join(import.meta.dirname, "send-batches.ts")], {
    stdio: ["pipe", "pipe", "inherit"],
  });
  child.stdin.end(JSON.stringify(order));
  let text = "";
  child.stdout.setEncoding("utf8").on("data", (chunk: string) => (text += chunk));
  const [code] = (await once(child, "close")) as [number | null];
  if (code !== 0) throw new Error(`the sender ended with ${code}`);
  return JSON.parse(text) as SendReport; // send-batches.ts writes it
}

async function countRequests(
  operator: Operator,
  times?: { readonly fromMs: number; readonly toMs: number },
): Promise<number> {
  const { fromMs, toMs } = times ?? { fromMs: Date.now() - recentMs, toMs: undefined };
  const to = toMs === undefined ? "" : `&to=${new Date(toMs).toISOString()}`;
  const { rows } = await operator.ask<{ rows: readonly { values: { requests: number } }[] }>(
    "GET",
    `/v1/environments/production/analytics?measures=requests&from=${new Date(fromMs).toISOString()}${to}`,
  );
  return rows[0]?.values.requests ?? 0;
}

async function untilVisible(operator: Operator, wanted: number): Promise<number> {
  while ((await countRequests(operator)) < wanted) await pause(askAgainMs);
  return Date.now();
}

async function watchVisible(
  operator: Operator,
  { already, wanted }: { readonly already: number; readonly wanted: number },
): Promise<readonly { readonly atMs: number; readonly requests: number }[]> {
  const seen: { atMs: number; requests: number }[] = [];
  for (let requests = 0; requests < wanted;) {
    requests = (await countRequests(operator)) - already;
    // The newest of them has just become visible at the latest.
    if (requests > (seen.at(-1)?.requests ?? 0)) seen.push({ atMs: Date.now(), requests });
    await pause(askAgainMs);
  }
  return seen;
}

interface Figures {
  readonly ingestMicros: number;
  readonly natsMicros: number;
}

async function readFigures({ stack }: TestStack): Promise<Figures> {
  return {
    ingestMicros: processMicros(stack.service("analytics-ingest").pid ?? 0),
    natsMicros: processMicros(stack.backing.nats.pid ?? 0),
  };
}

const round = (value: number): number => Number(value.toFixed(2));

function atLeast(value: number, unit: string, goal: number): Figure {
  return { value: round(value), unit, goal, reached: value >= goal };
}

function atMost(value: number, unit: string, goal: number): Figure {
  return { value: round(value), unit, goal, reached: value <= goal };
}

function plain(value: number, unit: string): Figure {
  return { value: round(value), unit, goal: null, reached: null };
}
