import { readdir, stat } from "node:fs/promises";
import { availableParallelism, totalmem } from "node:os";
import { join } from "node:path";
import { MetricsServiceClient, type ShowAppsResponse } from "@drawbridge/contracts/monitoring/v1/metrics_service";
import { createGrpcClient, largestAnswerBytes } from "@drawbridge/rpc";
import { createTestLogger } from "@drawbridge/testkit";
import type { BenchResult, Figure } from "../bench-result.ts";
import { cpuSecondsOfTree } from "../issue/process-cpu.ts";
import { residentKiB } from "../tunnels/process-memory.ts";
import { startIngestStack, type IngestStack } from "./ingest-stack.ts";
import type { Sample } from "./otlp-message.ts";
import { sendSamples } from "./send-samples.ts";

const fabrics = 10;
const replicasPerApp = 2;
const replicasPerMessage = 250;
const samplingSeconds = 15;
const passes = 3_600 / samplingSeconds;
const goalMs = 10;

/** An hour of samples of `apps` with two replicas each, from TLS to the disk, as fast as they are taken; then questions. */
export async function runMonitoringBench({ apps = 1_000 }: { readonly apps?: number } = {}): Promise<BenchResult> {
  await using stack = await startIngestStack();
  const beforeSeconds = cpuSecondsOfTree(stack.pid);
  const beganMs = performance.now();
  const endMs = Date.now() - 1_000;
  const sent = await sendHour(stack, { apps, endMs });
  const tookSeconds = (performance.now() - beganMs) / 1_000;
  const cpuMicros = ((cpuSecondsOfTree(stack.pid) - beforeSeconds) / sent.samples) * 1_000_000;
  const questions = await ask(stack, { apps, endMs });
  const perCore = (samplingSeconds * 1_000_000) / cpuMicros;
  const onDisk = await bytesBelow(stack.storeDirectory);
  const residentMiB = residentKiB(stack.pid) / 1_024;
  return {
    bench: "monitoring",
    machine: { cpus: availableParallelism(), memoryGiB: Math.round(totalmem() / 2 ** 30), node: process.version },
    rows: [
      row(
        "from TLS to the disk",
        `${round(sent.samples / tookSeconds)} samples/s`,
        `${sent.samples} of ${apps} apps x ${replicasPerApp} replicas, ${fabrics} fabrics`,
      ),
      row("CPU of a sample", `${round(cpuMicros)} us`, "six figures of one replica; service and store"),
      row("replicas per core", `${round(perCore)}`, `sampled every ${samplingSeconds} s`),
      row(
        "an answer to a collector",
        `p50 ${round(quantile(sent.latenciesMs, 0.5))} ms, p99 ${round(quantile(sent.latenciesMs, 0.99))} ms`,
        "waits for the flush, at most 500 ms apart",
      ),
      row(
        "bytes of a sample",
        `${round(sent.bytes / sent.samples)} sent, ${round(onDisk / sent.samples)} stored`,
        "protobuf, gzip; store with roll-up before all merges",
      ),
      row(
        "past hour of one app",
        `p50 ${round(quantile(questions.oneMs, 0.5))} ms, p99 ${round(quantile(questions.oneMs, 0.99))} ms`,
        `goal ${goalMs} ms; over mutual TLS, with the current values`,
      ),
      row("past hour of all apps", `${round(quantile(questions.allMs, 0.5))} ms`, "60 points each"),
    ],
    figures: {
      samples_per_second: figure(sent.samples / tookSeconds, "1/s"),
      cpu_per_sample: figure(cpuMicros, "µs"),
      replicas_per_core: figure(perCore, "replicas"),
      answer_p99: figure(quantile(sent.latenciesMs, 0.99), "ms"),
      bytes_sent_per_sample: figure(sent.bytes / sent.samples, "B"),
      bytes_stored_per_sample: figure(onDisk / sent.samples, "B"),
      past_hour_of_one_app_p50: atMost(quantile(questions.oneMs, 0.5), goalMs),
      past_hour_of_one_app_p99: figure(quantile(questions.oneMs, 0.99), "ms"),
      past_hour_of_all_apps: figure(quantile(questions.allMs, 0.5), "ms"),
      resident_service: figure(residentMiB, "MiB"),
    },
  };
}

async function sendHour(stack: IngestStack, { apps, endMs }: { readonly apps: number; readonly endMs: number }) {
  const opened = await Promise.all(Array.from({ length: fabrics }, () => stack.openFabric()));
  const sent = await Promise.all(
    opened.map(({ identity }, index) => {
      const mine = Array.from({ length: apps }, (_app, app) => app).filter((app) => app % fabrics === index);
      return sendSamples({ port: stack.fabricPort, identity }, messagesOf(mine, endMs));
    }),
  );
  return {
    samples: sent.reduce((total, one) => total + one.samples, 0),
    bytes: sent.reduce((total, one) => total + one.bytes, 0),
    latenciesMs: sent.flatMap((one) => one.latenciesMs),
  };
}

/** A collector's passes over its replicas, oldest first. */
function* messagesOf(apps: readonly number[], endMs: number): Generator<readonly Sample[]> {
  const replicas = apps.flatMap((app) => Array.from({ length: replicasPerApp }, (_one, index) => ({ app, index })));
  for (let pass = passes - 1; pass >= 0; pass -= 1) {
    const atMs = endMs - pass * samplingSeconds * 1_000;
    for (let first = 0; first < replicas.length; first += replicasPerMessage) {
      yield replicas.slice(first, first + replicasPerMessage).map(({ app, index }) => ({
        app: appName(app),
        replica: `${appName(app)}-${index}-${(app * 2_654_435_761) % 1_000_000}`,
        atMs,
        load: 1 + Math.sin(app + index + pass / 20),
      }));
    }
  }
}

function appName(app: number): string {
  return `app-${app}`;
}

async function ask(stack: IngestStack, of: { readonly apps: number; readonly endMs: number }) {
  const client = createGrpcClient(MetricsServiceClient, {
    address: stack.internalAddress,
    expectedServer: "/cp/monitoring-ingest",
    maxMessageBytes: largestAnswerBytes,
    identity: stack.managementApi,
    logger: createTestLogger().logger,
  });
  const question = { environments: ["production"], fabricId: "", fabricIds: [], stepSeconds: 60, byReplica: false };
  const hour = { from: new Date(of.endMs + 1 - 3_600_000), to: new Date(of.endMs + 1) };
  const timed = async (app: string) => {
    const beganMs = performance.now();
    const answer = await client.call.showApps({ ...question, ...hour, app });
    return { answer, ms: performance.now() - beganMs };
  };
  try {
    await untilStored(() => timed(""), of.apps);
    const [oneMs, allMs]: [number[], number[]] = [[], []];
    for (let asked = 0; asked < 200; asked += 1) oneMs.push((await timed(appName((asked * 7) % of.apps))).ms);
    for (let asked = 0; asked < 10; asked += 1) allMs.push((await timed("")).ms);
    return { oneMs, allMs };
  } finally {
    await client.stop(AbortSignal.timeout(1_000));
  }
}

/** All that was acknowledged is on its way; the last flush is in the store within a moment. */
async function untilStored(look: () => Promise<{ readonly answer: ShowAppsResponse }>, apps: number): Promise<void> {
  const giveUpMs = performance.now() + 30_000;
  while (performance.now() < giveUpMs) {
    const { answer } = await look();
    if (answer.apps.length === apps && answer.apps.every(({ total }) => total?.points.length === 60)) return;
  }
  throw new Error("the store does not have what was acknowledged");
}

async function bytesBelow(directory: string): Promise<number> {
  const names = await readdir(directory, { recursive: true, withFileTypes: true });
  const sizes = names
    .filter((entry) => entry.isFile())
    .map(async (entry) => (await stat(join(entry.parentPath, entry.name)).catch(() => undefined))?.size ?? 0);
  return (await Promise.all(sizes)).reduce((total, size) => total + size, 0);
}

function row(what: string, measured: string, note: string) {
  return { what, measured, note };
}

function figure(value: number, unit: string): Figure {
  return { value: round(value), unit, goal: null, reached: null };
}

function atMost(value: number, goal: number): Figure {
  return { value: round(value), unit: "ms", goal, reached: value <= goal };
}

function quantile(values: readonly number[], q: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(q * sorted.length))] ?? 0;
}

function round(value: number): number {
  return Number(value.toPrecision(3));
}
