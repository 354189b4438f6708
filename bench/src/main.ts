// `pnpm bench <name> [--agents <count>]`: measures, prints a table and, last, one JSON line.
import { parseArgs } from "node:util";
import type { BenchResult } from "./bench-result.ts";
import { formatRows } from "./print-table.ts";

/** `agents`: fewer than the figures are about, to see that a bench works. */
const benches: Readonly<Record<string, (agents?: number) => Promise<BenchResult>>> = {
  // `agents` is then millions of requests.
  analytics: async (agents) =>
    (await import("./analytics/run-analytics-bench.ts")).runAnalyticsBench(
      agents === undefined ? {} : { millions: agents },
    ),
  // `agents` is then the number of edits.
  enforcement: async (agents) =>
    (await import("./enforcement/run-enforcement-bench.ts")).runEnforcementBench(
      agents === undefined ? {} : { edits: agents },
    ),
  // `agents` is then the seconds of each measurement.
  gateway: async (agents) =>
    (await import("./gateway/run-gateway-bench.ts")).runGatewayBench(
      agents === undefined ? {} : { seconds: agents, rounds: 1 },
    ),
  issue: async () => (await import("./issue/run-issue-bench.ts")).runIssueBench(),
  // `agents` is then the number of apps.
  monitoring: async (agents) =>
    (await import("./monitoring/run-monitoring-bench.ts")).runMonitoringBench(
      agents === undefined ? {} : { apps: agents },
    ),
  renewals: async (agents) =>
    (await import("./renewals/run-renewals-bench.ts")).runRenewalsBench(agents === undefined ? {} : { agents }),
  tunnels: async (agents) =>
    (await import("./tunnels/run-tunnels-bench.ts")).runTunnelsBench(agents === undefined ? {} : { tunnels: agents }),
};

const { values, positionals } = parseArgs({
  options: { agents: { type: "string" } },
  allowPositionals: true,
  strict: false, // what is not known gets the same line as what is wrong
});
const [name = ""] = positionals;
const { agents: count, ...unknown } = values;
const agents = count === undefined ? undefined : Number(typeof count === "string" ? count : Number.NaN);
const bench = Object.hasOwn(benches, name) ? benches[name] : undefined;
const isCall = positionals.length === 1 && Object.keys(unknown).length === 0;
if (!bench || !isCall || (agents !== undefined && !(Number.isInteger(agents) && agents > 0))) {
  console.error(`usage: pnpm bench <name> [--agents <count>], one of: ${Object.keys(benches).join(", ")}`);
  process.exit(2);
}
const { rows, ...result } = await bench(agents);
console.log(formatRows(rows));
console.log(JSON.stringify(result));
process.exit(0);
