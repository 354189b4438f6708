import { GapReason, type Gap } from "@drawbridge/contracts/analytics/v1/request_batch";
import { z } from "zod";

/** Requests that were recorded and will not be delivered. */
export interface Loss {
  readonly requests: number;
  /** Milliseconds since the epoch. */
  readonly fromMs: number;
  readonly toMs: number;
  readonly reason: LossReason;
}

export const lossReasons = ["overloaded", "spool_full", "too_old", "spool_damaged", "refused", "interrupted"] as const;
export type LossReason = (typeof lossReasons)[number];

const gapReasons = {
  overloaded: GapReason.GAP_REASON_OVERLOADED,
  spool_full: GapReason.GAP_REASON_SPOOL_FULL,
  too_old: GapReason.GAP_REASON_TOO_OLD,
  spool_damaged: GapReason.GAP_REASON_SPOOL_DAMAGED,
  refused: GapReason.GAP_REASON_REFUSED,
  interrupted: GapReason.GAP_REASON_INTERRUPTED,
} as const satisfies Record<LossReason, GapReason>;

export const lossSchema = z.object({
  requests: z.number().int().min(1),
  fromMs: z.number(),
  toMs: z.number(),
  reason: z.enum(lossReasons),
});

/** What is lost and not told yet: one entry for each reason. */
export class GapList {
  readonly #losses = new Map<LossReason, Loss>();
  #version = 0;

  constructor(losses: readonly Loss[] = []) {
    for (const loss of losses) this.add(loss);
  }

  add(loss: Loss): void {
    if (loss.requests <= 0) return;
    this.#version += 1;
    const known = this.#losses.get(loss.reason);
    this.#losses.set(loss.reason, {
      requests: loss.requests + (known?.requests ?? 0),
      fromMs: Math.min(loss.fromMs, known?.fromMs ?? loss.fromMs),
      toMs: Math.max(loss.toMs, known?.toMs ?? loss.toMs),
      reason: loss.reason,
    });
  }

  /** Another one after every addition. */
  get version(): number {
    return this.#version;
  }

  get losses(): readonly Loss[] {
    return [...this.#losses.values()];
  }

  /** What was told; nothing else was added meanwhile. */
  clear(): void {
    this.#losses.clear();
  }
}

export function gapOf(loss: Loss): Gap {
  return {
    requests: BigInt(loss.requests),
    fromMs: BigInt(Math.max(0, Math.trunc(loss.fromMs))),
    toMs: BigInt(Math.max(0, Math.trunc(loss.toMs))),
    reason: gapReasons[loss.reason],
  };
}
