import { InvalidArgumentError, Option } from "commander";
import { sinceOption } from "./since-option.ts";

export interface TimeOptions {
  /** Milliseconds. */
  readonly since: number;
  readonly from?: string;
  readonly to?: string;
  readonly timeZone: string;
}

const dayMs = 86_400_000;
const instantPattern = /^\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d(\.\d{1,9})?)?(Z|[+-]\d\d:\d\d)$/;

export const sinceDayOption = (): Option => sinceOption().default(dayMs, "1d");
export const fromOption = (): Option =>
  new Option("--from <time>", "from this time on: 2026-01-31, or 2026-01-31T12:00:00Z").argParser(dayOrInstant);
export const toOption = (): Option =>
  new Option("--to <time>", "before this time; now without it").argParser(dayOrInstant);
export const timeZoneOption = (): Option =>
  new Option("--time-zone <name>", "IANA time zone of days and times; this machine's without it")
    .default(Intl.DateTimeFormat().resolvedOptions().timeZone)
    .argParser(timeZone);

/** The time that was asked for, as instants. A day begins with its midnight in the time zone. */
export function timeRange(options: TimeOptions, now: Date): { readonly from: string; readonly to: string } {
  const to = options.to === undefined ? now : instantOf(options.to, options.timeZone);
  const from =
    options.from === undefined ? new Date(to.getTime() - options.since) : instantOf(options.from, options.timeZone);
  return { from: from.toISOString(), to: to.toISOString() };
}

function dayOrInstant(text: string): string {
  const day = /^\d{4}-\d\d-\d\d$/.test(text);
  if ((!day && !instantPattern.test(text)) || Number.isNaN(Date.parse(text)))
    throw new InvalidArgumentError("give a day, 2026-01-31, or an instant with its zone, 2026-01-31T12:00:00Z.");
  return text;
}

function timeZone(name: string): string {
  try {
    return new Intl.DateTimeFormat("en", { timeZone: name }).resolvedOptions().timeZone;
  } catch {
    throw new InvalidArgumentError('give the IANA name of a time zone, as "Europe/Berlin".');
  }
}

function instantOf(text: string, zone: string): Date {
  const at = Date.parse(text);
  if (text.includes("T")) return new Date(at);
  // The offset of a guess is that of the midnight, unless clocks are set in between: the second guess is behind that.
  const first = at - offsetMs(at, zone);
  return new Date(at - offsetMs(first, zone));
}

function offsetMs(at: number, zone: string): number {
  const name = new Intl.DateTimeFormat("en", { timeZone: zone, timeZoneName: "longOffset" })
    .formatToParts(at)
    .find(({ type }) => type === "timeZoneName")?.value;
  const [, sign = "+", hours = "0", minutes = "0"] = /GMT([+-])(\d\d):(\d\d)/.exec(name ?? "") ?? [];
  return (sign === "-" ? -1 : 1) * (Number(hours) * 60 + Number(minutes)) * 60_000;
}
