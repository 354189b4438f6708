import { parseArgs } from "node:util";
import { drills } from "./drills.ts";

export interface DrillCall {
  readonly name: string;
  readonly rounds: number | undefined;
  readonly seed: number | undefined;
}

export const usage = `usage: pnpm drill <name> [--rounds <n>] [--seed <n>], one of: ${Object.keys(drills).toSorted().join(", ")}`;

/** @throws Error what is wrong with the call */
export function readCall(args: readonly string[]): DrillCall {
  const { values, positionals } = parseArgs({
    args: [...args],
    allowPositionals: true,
    options: { rounds: { type: "string" }, seed: { type: "string" } },
  });
  const [name, ...more] = positionals;
  if (name === undefined || more.length > 0) throw new Error("name one drill");
  if (!Object.hasOwn(drills, name)) throw new Error(`there is no drill "${name}"`);
  return { name, rounds: positiveInteger("--rounds", values.rounds), seed: positiveInteger("--seed", values.seed) };
}

function positiveInteger(option: string, text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const value = Number(text);
  if (!Number.isSafeInteger(value) || value < 1)
    throw new Error(`${option} must be a whole number from 1, not "${text}"`);
  return value;
}
