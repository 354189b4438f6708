import type { ClockLimits } from "../domain/clock-limits.ts";

/** Times of the tunnel; the defaults are design R11 to R16. */
export interface TunnelSettings {
  /** Name of this replica: one token of a NATS subject. */
  readonly replica: string;
  readonly heartbeatMs: number;
  /** Without a frame for so long a session is dead and its fabric unreachable. */
  readonly deadAfterMs: number;
  /** Without a sign of life for so long a fabric is disconnected. */
  readonly disconnectedAfterMs: number;
  /** Signs of life are written to the database once in this time. */
  readonly seenFlushMs: number;
  /** A connection this old is handed over, give or take a tenth. */
  readonly connectionAgeMs: number;
  /** Live identities are checked again after this time. */
  readonly identityCheckMs: number;
  /** A process of an agent that was told that another one took over is one of two if it is back after this. */
  readonly bootGraceMs: number;
  /** Base URL of monitoring-ingest for agents; empty for none. */
  readonly monitoringUrl: string;
  /** Of fabrics that have none of their own. */
  readonly clockLimits: ClockLimits;
  /** Agents that are told to drain spread their return over this time. */
  readonly drainWindowMs: number;
}

export const defaultTunnelSettings: Omit<TunnelSettings, "replica"> = {
  heartbeatMs: 15_000,
  deadAfterMs: 45_000,
  disconnectedAfterMs: 300_000,
  seenFlushMs: 10_000,
  connectionAgeMs: 3_600_000,
  identityCheckMs: 60_000,
  drainWindowMs: 5_000,
  bootGraceMs: 120_000,
  monitoringUrl: "",
  clockLimits: { warnSeconds: 60, failSeconds: 300 },
};
