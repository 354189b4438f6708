// `pnpm drill <name>`: breaks something on purpose, prints what held and, last, one JSON line.
import { constants } from "node:os";
import { fileURLToPath } from "node:url";
import { runGuarded } from "./guard/run-guarded.ts";
import { readCall, usage } from "./read-call.ts";

const args = process.argv.slice(2);
try {
  readCall(args);
} catch (error) {
  console.error(error instanceof Error ? error.message : String(error));
  console.error(usage);
  process.exit(2);
}

const interrupting = new AbortController();
let exitCodeOfSignal = 1;
for (const name of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
  process.on(name, () => {
    if (interrupting.signal.aborted) return; // clearing up takes its time, and is what was asked for
    console.error(`${name}: the drill ends here; its processes and folders are being removed`);
    exitCodeOfSignal = 128 + constants.signals[name];
    interrupting.abort(new Error(name));
  });
}
const ending = await runGuarded({
  program: fileURLToPath(new URL("drill-process.ts", import.meta.url)),
  args,
  env: process.env,
  signal: interrupting.signal,
});
process.exit(ending.ended === "interrupted" ? exitCodeOfSignal : ending.exitCode);
