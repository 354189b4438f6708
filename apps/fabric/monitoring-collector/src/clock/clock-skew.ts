import type { Clock } from "@drawbridge/lifecycle";
import type { Logger } from "@drawbridge/telemetry";

/** Design R21: warn from here on. */
export const skewWarnMs = 60_000;

/** How far this machine's clock is from the control plane's. Positive: ahead. */
export interface ClockSkew {
  measuredMs(): number | undefined;
  /** The control plane said `serverTime` in an answer that left and came at these times of ours. */
  observe(answer: { readonly serverTime: Date; readonly sentAt: Date; readonly receivedAt: Date }): void;
  /** What time it is in the control plane, as far as we know. */
  correctedNow(): Date;
  /** "; this machine's clock is 3 h ahead of the control plane's: set it right (NTP)", or nothing. */
  remark(): string;
}

export function createClockSkew(deps: {
  readonly clock: Pick<Clock, "now">;
  readonly logger: Pick<Logger, "warn" | "info">;
}): ClockSkew {
  const { clock, logger } = deps;
  let measuredMs: number | undefined;
  let isWarned = false;
  return {
    measuredMs: () => measuredMs,
    observe({ serverTime, sentAt, receivedAt }) {
      measuredMs = Math.round((sentAt.getTime() + receivedAt.getTime()) / 2 - serverTime.getTime());
      const isWrong = Math.abs(measuredMs) >= skewWarnMs;
      if (isWrong === isWarned) return;
      isWarned = isWrong;
      if (isWrong) logger.warn({ clock_skew_ms: measuredMs }, "this machine's clock is wrong; set it right (NTP)");
      else logger.info({ clock_skew_ms: measuredMs }, "this machine's clock is right again");
    },
    correctedNow: () => new Date(clock.now().getTime() - (measuredMs ?? 0)),
    remark: () =>
      measuredMs === undefined || Math.abs(measuredMs) < skewWarnMs
        ? ""
        : `; this machine's clock is ${describeSkew(measuredMs)} of the control plane's: set it right (NTP)`,
  };
}

/** "3 h ahead", "12 min behind": the largest unit, rounded. */
export function describeSkew(skewMs: number): string {
  const seconds = Math.abs(skewMs) / 1_000;
  const units = [
    [86_400, "d"],
    [3_600, "h"],
    [60, "min"],
  ] as const;
  const [size, unit] = units.find(([size]) => seconds >= size) ?? [1, "s"];
  return `${Math.round(seconds / size)} ${unit} ${skewMs > 0 ? "ahead" : "behind"}`;
}
