// `pnpm drill <name>`: breaks something on purpose, prints what held and, last, one JSON line.
import { parseArgs } from "node:util";
import { type Drill, formatReport, isHeld, reportLine } from "./drill.ts";

const drills: Readonly<Record<string, () => Promise<Drill>>> = {
  "clock-jump": async () => (await import("./clock-jump/drill-clock-jump.ts")).drillClockJump,
  "clone-detection": async () => (await import("./clone-detection/drill-clone-detection.ts")).drillCloneDetection,
  "database-restore": async () => (await import("./database-restore/drill-database-restore.ts")).drillDatabaseRestore,
  "kill-anything": async () => (await import("./kill-anything/drill-kill-anything.ts")).drillKillAnything,
  "offline-rotation": async () => (await import("./offline-rotation/drill-offline-rotation.ts")).drillOfflineRotation,
  "renewal-crash": async () => (await import("./renewal-crash/drill-renewal-crash.ts")).drillRenewalCrash,
  revocation: async () => (await import("./revocation/drill-revocation.ts")).drillRevocation,
  "rotation-soak": async () => (await import("./rotation-soak/drill-rotation-soak.ts")).drillRotationSoak,
};

const { name, rounds, seed } = readCall(process.argv.slice(2));
const drill = await drills[name]?.();
if (!drill) throw new Error(`drill ${name} vanished`);
const startedAtMs = performance.now();
console.log(`drill ${name}, seed ${seed}`);
const report = await drill({
  rounds,
  seed,
  say: (line) => {
    console.log(`${((performance.now() - startedAtMs) / 1000).toFixed(1).padStart(7)} s  ${line}`);
  },
});
console.log(formatReport(report));
console.log(reportLine(name, report));
process.exit(isHeld(report) ? 0 : 1);

function readCall(args: readonly string[]): { name: string; rounds: number | undefined; seed: number } {
  try {
    const { values, positionals } = parseArgs({
      args: [...args],
      allowPositionals: true,
      options: { rounds: { type: "string" }, seed: { type: "string" } },
    });
    const [asked, ...more] = positionals;
    if (asked === undefined || more.length > 0) throw new Error("name one drill");
    if (!Object.hasOwn(drills, asked)) throw new Error(`there is no drill "${asked}"`);
    return {
      name: asked,
      rounds: values.rounds === undefined ? undefined : positiveInteger("--rounds", values.rounds),
      seed: values.seed === undefined ? Date.now() % 1_000_000 : positiveInteger("--seed", values.seed),
    };
  } catch (error) {
    console.error(error instanceof Error ? error.message : String(error));
    console.error(
      `usage: pnpm drill <name> [--rounds <n>] [--seed <n>], one of: ${Object.keys(drills).toSorted().join(", ")}`,
    );
    process.exit(2);
  }
}

function positiveInteger(option: string, text: string): number {
  const value = Number(text);
  if (!Number.isSafeInteger(value) || value < 1)
    throw new Error(`${option} must be a whole number from 1, not "${text}"`);
  return value;
}
