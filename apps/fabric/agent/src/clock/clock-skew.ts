import type { Clock } from "@drawbridge/lifecycle";
import type { AlertBoard } from "../alerts/alert-board.ts";
import { describeSkew, skewAlertMs, skewWarnMs } from "./describe-skew.ts";

/** How far this machine's clock is from the control plane's. Positive: ahead. */
export interface ClockSkew {
  measuredMs(): number | undefined;
  /** The control plane says what time it is. */
  observe(serverTime: Date): void;
}

/** Smaller changes are network latency and not worth a write. */
const worthStoringMs = 5_000;

export function createClockSkew(options: {
  readonly initialMs: number | undefined;
  readonly clock: Pick<Clock, "now">;
  readonly alerts: AlertBoard;
  readonly store: (skewMs: number) => void;
}): ClockSkew {
  const { clock, alerts } = options;
  let measuredMs = options.initialMs;
  let storedMs = options.initialMs;
  return {
    measuredMs: () => measuredMs,
    observe(serverTime) {
      const skewMs = clock.now().getTime() - serverTime.getTime();
      measuredMs = skewMs;
      if (storedMs === undefined || Math.abs(skewMs - storedMs) >= worthStoringMs) {
        storedMs = skewMs;
        options.store(skewMs);
      }
      if (Math.abs(skewMs) < skewWarnMs) alerts.clear("ClockSkew");
      else {
        const urgency =
          Math.abs(skewMs) >= skewAlertMs ? "certificates may be refused; set it right (NTP)" : "set it right (NTP)";
        alerts.raise("ClockSkew", `this machine's clock is ${describeSkew(skewMs)} of the control plane's: ${urgency}`);
      }
    },
  };
}
