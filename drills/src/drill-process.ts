// The process in which one drill runs, with the arguments of `pnpm drill`; main.ts starts it and clears up behind it.
import { systemClock } from "@drawbridge/lifecycle";
import { formatReport, isHeld, reportLine } from "./drill.ts";
import { drills } from "./drills.ts";
import { readCall } from "./read-call.ts";

const { name, rounds, seed = systemClock.now().getTime() % 1_000_000 } = readCall(process.argv.slice(2));
const drill = await drills[name]?.();
if (!drill) throw new Error(`drill ${name} vanished`);
const startedAtMs = systemClock.monotonicMs();
console.log(`drill ${name}, seed ${seed}`);
const report = await drill({
  rounds,
  seed,
  say: (line) => {
    console.log(`${((systemClock.monotonicMs() - startedAtMs) / 1000).toFixed(1).padStart(7)} s  ${line}`);
  },
});
console.log(formatReport(report));
console.log(reportLine(name, report));
process.exit(isHeld(report) ? 0 : 1);
