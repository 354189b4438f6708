import { Temporal } from "temporal-polyfill";
import { queryInvalid } from "./query-error.ts";

/** Width of a bucket, in the clock and calendar of a time zone. A week begins on Monday. */
export type BucketWidth = "minute" | "quarter_hour" | "hour" | "day" | "week" | "month";

export interface TimeRange {
  readonly from: Date;
  /** Not included. */
  readonly to: Date;
}

/** More of them are no picture, and their begins are part of the statement. */
const mostBuckets = 5_000;

const minuteMs = 60_000;
const dayMs = 24 * 60 * minuteMs;
/** At least so long; a day loses an hour or less in spring, and so do week and month. */
const shortestMs: Readonly<Record<BucketWidth, number>> = {
  minute: minuteMs,
  quarter_hour: 15 * minuteMs,
  hour: 60 * minuteMs,
  day: dayMs - 120 * minuteMs,
  week: 7 * dayMs - 120 * minuteMs,
  month: 28 * dayMs - 120 * minuteMs,
};

/**
 * Begins of all buckets that have a part in `range`, ascending; the first may be before its begin. They are worked out here
 * and bound to the statement, so that one database of time zones decides, and a roll-up is cut where raw rows are.
 *
 * @throws DrawbridgeError `ANALYTICS_QUERY_INVALID` for `timeZone` and `bucket`
 */
export function bucketBegins(width: BucketWidth, timeZone: string, range: TimeRange): readonly number[] {
  const zone = assertTimeZone(timeZone);
  const from = range.from.getTime();
  const to = range.to.getTime();
  if ((to - from) / shortestMs[width] > mostBuckets) throw tooMany();
  const begins: number[] = [];
  let begin = beginOf(width, from, zone);
  while (begin < to) {
    if (begins.length === mostBuckets) throw tooMany();
    begins.push(begin);
    begin = nextBegin(width, begin, zone);
  }
  return begins;
}

/** @throws DrawbridgeError `ANALYTICS_QUERY_INVALID`: no IANA name; offsets are none, because they know no summer time */
export function assertTimeZone(timeZone: string): string {
  if (timeZone === "") return "UTC";
  try {
    if (/^[A-Za-z][A-Za-z0-9_+/-]{0,63}$/.test(timeZone)) return zoned(0, timeZone).timeZoneId;
  } catch {
    // Not one of those that are known: said below.
  }
  throw queryInvalid("timeZone", 'must be the IANA name of a time zone, as "Europe/Berlin"');
}

function tooMany(): Error {
  return queryInvalid(
    "bucket",
    `makes more than ${mostBuckets.toLocaleString("en")} buckets of this time: take a wider one or a shorter time`,
  );
}

function beginOf(width: BucketWidth, at: number, zone: string): number {
  const day = zoned(at, zone).startOfDay();
  switch (width) {
    case "minute":
    case "quarter_hour":
    case "hour":
      return floorOnTheClock(at, shortestMs[width], zone);
    case "day":
      return day.epochMilliseconds;
    case "week":
      return day.subtract({ days: day.dayOfWeek - 1 }).startOfDay().epochMilliseconds;
    case "month":
      return day.with({ day: 1 }).startOfDay().epochMilliseconds;
  }
}

function nextBegin(width: BucketWidth, begin: number, zone: string): number {
  const here = zoned(begin, zone);
  switch (width) {
    case "minute":
    case "quarter_hour":
    case "hour":
      return nextOnTheClock(begin, shortestMs[width], zone);
    case "day":
      return here.add({ days: 1 }).startOfDay().epochMilliseconds;
    case "week":
      return here.add({ days: 7 }).startOfDay().epochMilliseconds;
    case "month":
      return here.add({ months: 1 }).startOfDay().epochMilliseconds;
  }
}

/** The full hour (quarter, minute) that the clocks of the zone showed last. */
function floorOnTheClock(at: number, widthMs: number, zone: string): number {
  const offset = offsetMs(at, zone);
  return Math.floor((at + offset) / widthMs) * widthMs - offset;
}

/** Where clocks are set by less than an hour, the hour in which that happens is two buckets. */
function nextOnTheClock(begin: number, widthMs: number, zone: string): number {
  const next = floorOnTheClock(begin + widthMs, widthMs, zone);
  if (next > begin && offsetMs(next, zone) === offsetMs(begin + widthMs, zone)) return next;
  return zoned(begin, zone).getTimeZoneTransition("next")?.epochMilliseconds ?? begin + widthMs;
}

function offsetMs(at: number, zone: string): number {
  return zoned(at, zone).offsetNanoseconds / 1_000_000;
}

function zoned(at: number, zone: string): Temporal.ZonedDateTime {
  return Temporal.Instant.fromEpochMilliseconds(at).toZonedDateTimeISO(zone);
}
