import { InvalidArgumentError } from "commander";

const seconds = { s: 1, m: 60, h: 3_600, d: 86_400 } as const;

/** "100/1m" as a limit, added to those that were given before. */
export function parseLimit(
  text: string,
  previous: readonly { readonly requests: number; readonly periodMs: number }[] | undefined,
): readonly { readonly requests: number; readonly periodMs: number }[] {
  const [, requests = "", count = "", unit] = /^(\d{1,10})\/(\d{0,6})([smhd])$/.exec(text) ?? [];
  const each = unit === "s" || unit === "m" || unit === "h" || unit === "d" ? seconds[unit] : undefined;
  if (each === undefined)
    throw new InvalidArgumentError('give requests/time, for example "100/1m", "5/s", "10000/1d".');
  const limit = { requests: Number(requests), periodMs: (count === "" ? 1 : Number(count)) * each * 1_000 };
  return [...(previous ?? []), limit];
}
