import { enqueueEvents, type InTransaction } from "@drawbridge/store";
import type { HealthAlert, LockReason } from "../domain/fabric.ts";

export type LockNews = { readonly fabricId: string; readonly agentId: string; readonly at: Date } & (
  | { readonly fact: "locked"; readonly reason: LockReason; readonly message: string }
  | { readonly fact: "unlocked"; readonly requestedBy: string }
);

export async function announceLock(tx: InTransaction, news: LockNews): Promise<void> {
  const { fabricId, agentId, at } = news;
  await enqueueEvents(tx, [
    {
      type: `runtime.agent.${news.fact}.v1` as const,
      scope: fabricId,
      occurredAt: at,
      payload: {
        fabricId,
        agentId,
        reason: news.fact === "locked" ? news.reason : "",
        message: news.fact === "locked" ? news.message : "",
        requestedBy: news.fact === "unlocked" ? news.requestedBy : "",
      },
    },
  ]);
}

/** Alerts that began or ended, in this order. */
export async function announceAlerts(
  tx: InTransaction,
  news: readonly {
    readonly fabricId: string;
    readonly alert: HealthAlert;
    readonly change: "began" | "ended";
    readonly at: Date;
  }[],
): Promise<void> {
  await enqueueEvents(
    tx,
    news.map(({ fabricId, alert, change, at }) => ({
      type: "runtime.fabric.alert.v1" as const,
      scope: fabricId,
      occurredAt: at,
      payload: { fabricId, reason: alert.reason, message: alert.message, active: change === "began" },
    })),
  );
}
