import { availableParallelism, totalmem } from "node:os";
import { openStore, sql } from "@drawbridge/store";
import type { BenchResult, Figure } from "../bench-result.ts";
import { startAuthorityStack } from "./authority-stack.ts";
import { measureBareRates, measureBareRatesOn } from "./bare-signing.ts";
import { runIssueLoad } from "./issue-load.ts";
import { measureSyncMs } from "./measure-sync.ts";
import { cpuSecondsOfTree } from "./process-cpu.ts";

const bareMs = 1_000;
const warmUpMs = 3_000;
const durationMs = 8_000;
const concurrency = 256;
const goalPerSecond = 1_500;

export interface IssueBenchOptions {
  /** Of the service's process, such as --cpu-prof. */
  readonly nodeArguments?: readonly string[];
}

/**
 * Certificates per second that the real cert-authority issues and records durably, beside P-256 alone on the same
 * machine. Clients, service, PostgreSQL and NATS share the machine, as they do for who tries it.
 */
export async function runIssueBench(options: IssueBenchOptions = {}): Promise<BenchResult> {
  const bare = measureBareRates(bareMs);
  const bareOnTwo = await measureBareRatesOn(2, bareMs);
  await using stack = await startAuthorityStack({ nodeArguments: options.nodeArguments ?? [] });
  const syncMs = await measureSyncMs(stack.directory);

  const cpu = { service: 0, postgres: 0, clients: 0 };
  const load = await runIssueLoad({
    address: stack.address,
    identity: await stack.identityOf("activation"),
    concurrency,
    warmUpMs,
    durationMs,
    onMeasure: (phase) => {
      const sign = phase === "begin" ? -1 : 1;
      cpu.service += sign * cpuSecondsOfTree(stack.servicePid);
      cpu.postgres += sign * cpuSecondsOfTree(stack.postgresPid);
      const own = process.cpuUsage();
      cpu.clients += (sign * (own.user + own.system)) / 1_000_000;
    },
  });
  const recorded = await countRecorded(stack.databaseUrl);
  if (recorded < load.answered) {
    throw new Error(`${load.answered} certificates were answered and only ${recorded} are in the table`);
  }

  const perCertificate = (seconds: number): number => round((seconds / load.certificates) * 1_000_000);
  const row = (what: string, perSecond: number | "", note: string) => ({
    what,
    "per second": perSecond === "" ? perSecond : round(perSecond),
    note,
  });
  return {
    bench: "issue",
    machine: {
      cpus: availableParallelism(),
      memoryGiB: Math.round(totalmem() / 2 ** 30),
      node: process.version,
    },
    rows: [
      row("P-256 signatures, one thread", bare.signaturesPerSecond, "node:crypto alone"),
      row("P-256 signatures, two threads", bareOnTwo.signaturesPerSecond, "node:crypto alone"),
      row("P-256 verify + sign, one thread", bare.verifyAndSignPerSecond, "the cryptography of one certificate"),
      row("P-256 verify + sign, two threads", bareOnTwo.verifyAndSignPerSecond, "the cryptography of one certificate"),
      row("fsync of one page", 1000 / syncMs, `${round(syncMs)} ms each, on the database's disk`),
      row(
        "certificates issued, durable",
        load.perSecond,
        `${concurrency} in flight; p50 ${round(load.latencyMs.p50)} ms, p99 ${round(load.latencyMs.p99)} ms, ${load.failed} failed`,
      ),
      row(
        "CPU time per certificate, µs",
        "",
        `service ${perCertificate(cpu.service)}, PostgreSQL ${perCertificate(cpu.postgres)}, clients ${perCertificate(cpu.clients)}`,
      ),
    ],
    figures: {
      certificates_per_second: figure(load.perSecond, "1/s", goalPerSecond),
      latency_p50: figure(load.latencyMs.p50, "ms"),
      latency_p99: figure(load.latencyMs.p99, "ms"),
      failed: figure(load.failed, "requests"),
      bare_signatures_per_second_one_thread: figure(bare.signaturesPerSecond, "1/s"),
      bare_signatures_per_second_two_threads: figure(bareOnTwo.signaturesPerSecond, "1/s"),
      share_of_bare_verify_and_sign: figure((load.perSecond / bare.verifyAndSignPerSecond) * 100, "%"),
      service_cpu_per_certificate: figure(perCertificate(cpu.service), "µs"),
      postgres_cpu_per_certificate: figure(perCertificate(cpu.postgres), "µs"),
    },
  };
}

async function countRecorded(databaseUrl: string): Promise<number> {
  const silent = { info: () => undefined, warn: () => undefined, error: () => undefined };
  const store = openStore<Record<string, never>>({ url: databaseUrl, schema: "cert_authority", logger: silent });
  await store.start(AbortSignal.timeout(10_000));
  try {
    const { rows } = await sql<{ count: string }>`SELECT count(*) AS count FROM certificate`.execute(store.db);
    return Number(rows[0]?.count);
  } finally {
    await store.stop(AbortSignal.timeout(5_000));
  }
}

function figure(value: number, unit: string, goal?: number): Figure {
  const rounded = round(value);
  return { value: rounded, unit, goal: goal ?? null, reached: goal === undefined ? null : rounded >= goal };
}

function round(value: number): number {
  return Math.round(value * 10) / 10;
}
