import { InvalidArgumentError, Option } from "commander";

const unitMs = { m: 60_000, h: 3_600_000, d: 86_400_000 } as const;
const shortestMs = 60_000;
const longestMs = 399 * 86_400_000;

/** `--since 90m`: how far back. */
export function sinceOption(): Option {
  return new Option("--since <time>", "how far back: 15m, 1h, 7d; at most 399d")
    .default(unitMs.h, "1h")
    .argParser(sinceMs);
}

function sinceMs(text: string): number {
  const found = /^(\d{1,6})([mhd])$/.exec(text);
  const [, count = "", unit = "m"] = found ?? [];
  const ms = Number(count) * unitMs[unit as keyof typeof unitMs]; // the pattern lets no other letter through
  if (found === null || ms < shortestMs || ms > longestMs)
    throw new InvalidArgumentError("give minutes, hours or days: 15m, 1h, 7d; at most 399d.");
  return ms;
}
