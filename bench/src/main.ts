// `pnpm bench <name>`: measures, prints a table and, last, one JSON line.
import type { BenchResult } from "./bench-result.ts";
import { formatRows } from "./print-table.ts";

const benches: Readonly<Record<string, () => Promise<BenchResult>>> = {
  issue: async () => (await import("./issue/run-issue-bench.ts")).runIssueBench(),
  renewals: async () => (await import("./renewals/run-renewals-bench.ts")).runRenewalsBench(),
  tunnels: async () => (await import("./tunnels/run-tunnels-bench.ts")).runTunnelsBench(),
};

const name = process.argv[2] ?? "";
const bench = Object.hasOwn(benches, name) ? benches[name] : undefined;
if (!bench) {
  console.error(`usage: pnpm bench <name>, one of: ${Object.keys(benches).join(", ")}`);
  process.exit(2);
}
const { rows, ...result } = await bench();
console.log(formatRows(rows));
console.log(JSON.stringify(result));
process.exit(0);
