import type { Clock } from "@drawbridge/lifecycle";
import type { AlertBoard } from "../alerts/alert-board.ts";
import { describeSkew, skewAlertMs, skewWarnMs } from "./describe-skew.ts";

/** How far this machine's clock is from the control plane's. Positive: ahead. */
export interface ClockSkew {
  measuredMs(): number | undefined;
  /** Whether certificates can be judged by this machine's clock: `ClockSynced` of design R21. */
  isSynced(): boolean;
  /** The control plane says what time it is. */
  observe(serverTime: Date): void;
  /** From which skew on to warn, and to call the clock not synced. */
  setThresholds(thresholds: { readonly warnMs: number; readonly failMs: number }): void;
  /** The wall clock moved by so much more than time went by: suspended, or set. Until the next measurement nobody knows which. */
  noteJump(jumpMs: number): void;
  /** What time it may be in the control plane, likeliest first: one instant, after a jump two. */
  possibleNows(): readonly Date[];
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
  let isMeasuredHere = false;
  let unexplainedMs = 0;
  let thresholds = { warnMs: skewWarnMs, failMs: skewAlertMs };

  function judge(skewMs: number): void {
    if (Math.abs(skewMs) < thresholds.warnMs) return alerts.clear("ClockSkew");
    const urgency =
      Math.abs(skewMs) >= thresholds.failMs ? "certificates may be refused; set it right (NTP)" : "set it right (NTP)";
    alerts.raise("ClockSkew", `this machine's clock is ${describeSkew(skewMs)} of the control plane's: ${urgency}`);
  }

  return {
    measuredMs: () => measuredMs,
    isSynced: () => measuredMs === undefined || Math.abs(measuredMs) < thresholds.failMs,
    observe(serverTime) {
      const skewMs = clock.now().getTime() - serverTime.getTime();
      measuredMs = skewMs;
      isMeasuredHere = true;
      unexplainedMs = 0;
      if (storedMs === undefined || Math.abs(skewMs - storedMs) >= worthStoringMs) {
        storedMs = skewMs;
        options.store(skewMs);
      }
      judge(skewMs);
    },
    setThresholds(next) {
      thresholds = next;
      if (measuredMs !== undefined && isMeasuredHere) judge(measuredMs);
    },
    noteJump: (jumpMs) => void (unexplainedMs += jumpMs),
    possibleNows() {
      const nowMs = clock.now().getTime();
      const skewMs = measuredMs ?? 0;
      const offsets = new Set([skewMs, skewMs + unexplainedMs]);
      if (!isMeasuredHere) offsets.add(0); // measured by an earlier process: the clock may have been set right since
      return [...offsets].map((offsetMs) => new Date(nowMs - offsetMs));
    },
  };
}
