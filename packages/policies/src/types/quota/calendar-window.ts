export type CalendarPeriod = "hour" | "day" | "week" | "month";

const hourMs = 3_600_000;
const dayMs = 24 * hourMs;
const weekMs = 7 * dayMs;
/** 1970-01-05, the first Monday: weeks begin on Monday (ISO 8601). */
const firstMondayMs = 4 * dayMs;

/** The hour, day, ISO week or month in UTC that an instant is in: its number and the instant at which it ends. */
export function calendarWindow(
  period: CalendarPeriod,
  nowMs: number,
): { readonly window: number; readonly endsAtMs: number } {
  switch (period) {
    case "hour":
      return fixed(nowMs, hourMs, 0);
    case "day":
      return fixed(nowMs, dayMs, 0);
    case "week":
      return fixed(nowMs, weekMs, firstMondayMs);
    case "month": {
      const now = new Date(nowMs);
      const [year, month] = [now.getUTCFullYear(), now.getUTCMonth()];
      return { window: year * 12 + month, endsAtMs: Date.UTC(year, month + 1) };
    }
  }
}

function fixed(
  nowMs: number,
  lengthMs: number,
  offsetMs: number,
): { readonly window: number; readonly endsAtMs: number } {
  const window = Math.floor((nowMs - offsetMs) / lengthMs);
  return { window, endsAtMs: (window + 1) * lengthMs + offsetMs };
}
