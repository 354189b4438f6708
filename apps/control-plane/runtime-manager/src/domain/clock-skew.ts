import type { HealthAlert } from "./fabric.ts";

/** Agents a minute off get an alert: certificates and log times stop making sense (design R21). */
const alertAboveMs = 60_000;
const reason = "ClockSkew";

/** Agent's clock minus ours, in milliseconds; positive when the agent is ahead. The way here is counted as skew. */
export function clockSkewMs(agentTime: Date, now: Date): number {
  return agentTime.getTime() - now.getTime();
}

/** The agent's own alerts plus ours about its clock; `since` stays while the alert stays. */
export function withClockAlert(options: {
  readonly alerts: readonly HealthAlert[];
  readonly previous: readonly HealthAlert[];
  readonly skewMs: number;
  readonly now: Date;
}): readonly HealthAlert[] {
  const { alerts, previous, skewMs, now } = options;
  if (Math.abs(skewMs) <= alertAboveMs) return alerts;
  const since = previous.find((alert) => alert.reason === reason)?.since ?? now;
  const seconds = Math.round(Math.abs(skewMs) / 1_000);
  const direction = skewMs > 0 ? "ahead of" : "behind";
  return [
    ...alerts.filter((alert) => alert.reason !== reason),
    {
      reason,
      message: `the fabric's clock is ${seconds} s ${direction} the control plane's; check its time service`,
      since,
    },
  ];
}
