import { availableParallelism, totalmem } from "node:os";
import type { BenchResult, Figure } from "../bench-result.ts";
import { measureBareRates } from "../issue/bare-signing.ts";
import { measureAuthority, type AuthorityMeasurement } from "./measure-authority.ts";
import type { RenewalTimes } from "./renewal-load.ts";

export interface RenewalsBenchOptions {
  /** Default 5,000: also the size of the stampede. */
  readonly agents?: number;
  readonly durationMs?: number;
}

const bareMs = 1_000;
const concurrency = 256;
const warmUpMs = 3_000;

/**
 * Renewals as cert-authority sees them: a certificate issued for a name that has one, used, and the earlier one revoked
 * and mirrored. The calls are runtime-manager's, made directly, with the rule by which it has refused agents come back;
 * tunnels are not in it (bench `tunnels` measures those). Beside it the cryptography alone on the same machine.
 */
export async function runRenewalsBench(options: RenewalsBenchOptions = {}): Promise<BenchResult> {
  const agents = options.agents ?? 5_000;
  const bare = measureBareRates(bareMs);
  const durationMs = options.durationMs ?? 15_000;
  const main = await measureAuthority({ agents, concurrency, warmUpMs, durationMs });
  const failed = errorsOf(main.sustained) + errorsOf(main.stampede);
  return {
    bench: "renewals",
    machine: {
      cpus: availableParallelism(),
      memoryGiB: Math.round(totalmem() / 2 ** 30),
      node: process.version,
    },
    rows: [
      {
        what: "P-256 verify + sign, one thread",
        "renewals/s": round(bare.verifyAndSignPerSecond),
        "p50 ms": "",
        "p99 ms": "",
        note: "the cryptography of one renewal, with nothing around it",
      },
      ...rowsOf(main, agents),
    ],
    figures: {
      renewals_per_second: figure(main.sustained.perSecond, "1/s"),
      renewal_p50: figure(quantile(main.sustained.latenciesMs, 0.5), "ms"),
      renewal_p99: figure(quantile(main.sustained.latenciesMs, 0.99), "ms"),
      service_cpu_per_renewal: figure(main.sustained.cpuMicros.service, "µs"),
      postgres_cpu_per_renewal: figure(main.sustained.cpuMicros.postgres, "µs"),
      resident_idle: figure(main.residentMiB.idle, "MiB"),
      resident_sustained: figure(main.residentMiB.sustained, "MiB"),
      resident_stampede: figure(main.residentMiB.stampede, "MiB"),
      stampede_agents: figure(agents, "agents"),
      stampede_renewed: figure(main.stampede.latenciesMs.length, "agents", agents),
      stampede_seconds: figure(main.stampede.tookMs / 1000, "s"),
      stampede_told_to_come_back: figure(main.stampede.toldToComeBack, "answers"),
      errors_that_reach_an_agent: { value: failed, unit: "errors", goal: 0, reached: failed === 0 },
      superseded_certificates: figure(main.superseded.certificates, "certificates"),
      superseding_caught_up_after: figure(main.superseded.caughtUpAfterMs / 1000, "s"),
    },
  };
}

function rowsOf(one: AuthorityMeasurement, agents: number): BenchResult["rows"] {
  const { sustained, stampede, residentMiB, superseded } = one;
  return [
    {
      what: `sustained, ${concurrency} in flight`,
      "renewals/s": round(sustained.perSecond),
      "p50 ms": round(quantile(sustained.latenciesMs, 0.5)),
      "p99 ms": round(quantile(sustained.latenciesMs, 0.99)),
      note: `CPU per renewal: service ${round(sustained.cpuMicros.service)} µs, PostgreSQL ${round(sustained.cpuMicros.postgres)} µs; ${round(residentMiB.sustained)} MiB (idle ${round(residentMiB.idle)}); errors: ${listErrors(sustained)}`,
    },
    {
      what: `${agents} at the same moment`,
      "renewals/s": round((stampede.latenciesMs.length / stampede.tookMs) * 1000),
      "p50 ms": round(quantile(stampede.latenciesMs, 0.5)),
      "p99 ms": round(quantile(stampede.latenciesMs, 0.99)),
      note: `the last after ${round(stampede.tookMs / 1000)} s; ${stampede.toldToComeBack} times told to come back; ${round(residentMiB.stampede)} MiB; errors: ${listErrors(stampede)}; ${superseded.certificates} superseded, ${round(superseded.caughtUpAfterMs / 1000)} s later`,
    },
  ];
}

function errorsOf({ errors }: RenewalTimes): number {
  return [...errors.values()].reduce((sum, count) => sum + count, 0);
}

function listErrors({ errors }: RenewalTimes): string {
  return errors.size === 0 ? "none" : [...errors].map(([code, count]) => `${count} ${code}`).join(", ");
}

function quantile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((left, right) => left - right);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN;
}

function figure(value: number, unit: string, goal?: number): Figure {
  const rounded = round(value);
  return { value: rounded, unit, goal: goal ?? null, reached: goal === undefined ? null : rounded >= goal };
}

function round(value: number): number {
  return Math.round(value * 10) / 10;
}
