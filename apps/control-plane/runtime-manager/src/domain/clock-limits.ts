import { DrawbridgeError } from "@drawbridge/errors";

/** How far a fabric's clock may be off, in seconds (design R21). */
export interface ClockLimits {
  /** An alert above it. */
  readonly warnSeconds: number;
  /** The agent reports ClockSynced=False above it. */
  readonly failSeconds: number;
}

/** What a fabric has of its own; undefined: what the service is set to. */
export interface FabricClockLimits {
  readonly warnSeconds: number | undefined;
  readonly failSeconds: number | undefined;
}

/** The limits in force. One that is given alone moves the other, so that failing never begins before warning. */
export function clockLimitsOf(own: FabricClockLimits, service: ClockLimits): ClockLimits {
  const warnSeconds = own.warnSeconds ?? Math.min(service.warnSeconds, own.failSeconds ?? service.warnSeconds);
  return { warnSeconds, failSeconds: own.failSeconds ?? Math.max(service.failSeconds, warnSeconds) };
}

const highestSeconds = 86_400;

/** @throws DrawbridgeError `CLOCK_LIMITS_INVALID` (invalid_argument) */
export function assertClockLimits({ warnSeconds, failSeconds }: FabricClockLimits): void {
  for (const [name, seconds] of [
    ["clock_skew_warn_seconds", warnSeconds],
    ["clock_skew_fail_seconds", failSeconds],
  ] as const) {
    if (seconds !== undefined && !(seconds >= 1 && seconds <= highestSeconds))
      throw invalid(`${name} is ${seconds}; it must be 1 to ${highestSeconds}`);
  }
  if (warnSeconds !== undefined && failSeconds !== undefined && failSeconds < warnSeconds)
    throw invalid(`clock_skew_fail_seconds (${failSeconds}) must be at least clock_skew_warn_seconds (${warnSeconds})`);
}

function invalid(message: string): DrawbridgeError {
  return new DrawbridgeError({ kind: "invalid_argument", code: "CLOCK_LIMITS_INVALID", message });
}
