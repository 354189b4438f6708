import { formatDuration, formatTime } from "./format.ts";

/** How far away an instant is: "in 11 h 58 min", "3 s ago". "-" for none. */
export function formatDistance(instant: string | null | undefined, now: Date): string {
  const awayMs = millisecondsUntil(instant, now);
  if (awayMs === undefined) return "-";
  if (Math.abs(awayMs) < 1_000) return "now";
  return awayMs > 0 ? `in ${formatDuration(awayMs)}` : `${formatDuration(awayMs)} ago`;
}

/** The same with its largest unit only, for tables: "in 11 h". */
export function shortDistance(instant: string | null | undefined, now: Date): string {
  return formatDistance(instant, now).replace(/^((?:in )?\d+ \w+) \d+ \w+/, "$1");
}

/** An instant with its zone and how far away it is: "2026-11-22 14:07:31 UTC (in 11 h 58 min)". "-" for none. */
export function formatInstant(instant: string | null | undefined, now: Date, timeZone?: string): string {
  const text = formatTime(instant, timeZone);
  return text === "-" ? text : `${text} (${formatDistance(instant, now)})`;
}

/** For tables: "2026-11-22 14:07 UTC (in 11 h)". */
export function shortInstant(instant: string | null | undefined, now: Date, timeZone?: string): string {
  const text = formatTime(instant, timeZone).replace(/:\d\d /, " ");
  return text === "-" ? text : `${text} (${shortDistance(instant, now)})`;
}

function millisecondsUntil(instant: string | null | undefined, now: Date): number | undefined {
  if (instant === null || instant === undefined) return undefined;
  const ms = new Date(instant).getTime() - now.getTime();
  return Number.isNaN(ms) ? undefined : ms;
}
