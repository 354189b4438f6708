import { type Clock, type Component, createLoop, fullJitterDelayMs, type Random } from "@drawbridge/lifecycle";
import type { Logger, Metrics } from "@drawbridge/telemetry";
import type { DueNotification, Notifications } from "../store/notifications.ts";
import type { Channel, DeliveryResult } from "./channel.ts";

const passMs = 1_000;
const atOnce = 16;
/** A replica that dies with some in hand: another one sends them again after this. */
const claimMs = 60_000;
/** Longer than any channel needs, and over before another replica sends it again. */
const mostMs = 40_000;
/** The file of this replica: another one may have read it since. */
const notInFile: DeliveryResult = { outcome: "failed", problem: "the receiver is not in the file", ends: "later" };
const tookTooLong: DeliveryResult = { outcome: "failed", problem: "it took too long", ends: "later" };
const backoff = { baseMs: 5_000, capMs: 600_000, floorMs: 1_000 };
const dayMs = 86_400_000;
/** Nobody wants to hear then. */
const giveUpAfterMs = dayMs;
const keptMs = 30 * dayMs;

/** Tells receivers what waits, at least once each; the id of a notification is the same each time. */
export function createDelivery(deps: {
  readonly notifications: Notifications;
  readonly channel: (receiver: string) => Channel | undefined;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly metrics: Pick<Metrics, "counter" | "gauge">;
}): Component {
  const { notifications, clock, random, logger } = deps;
  const deliveries = deps.metrics.counter("deliveries", { description: "notifications that were sent, by outcome" });
  let waiting = 0;
  deps.metrics.gauge(
    "notifications_waiting",
    { description: "notifications that nobody was told of yet" },
    () => waiting,
  );

  async function deliver(due: DueNotification, signal: AbortSignal): Promise<void> {
    const { notificationId, receiver, createdAt, attempts } = due;
    const result = await sent(due, signal);
    if (result.outcome === "delivered") {
      await notifications.delivered(notificationId);
      deliveries.add(1, { outcome: "delivered" });
      return;
    }
    if (signal.aborted) return; // claimed again when the claim ends
    const now = clock.now();
    const isLate = now.getTime() - createdAt.getTime() >= giveUpAfterMs;
    const isOver = result.ends === "for good" || isLate;
    const waitMs = fullJitterDelayMs({ ...backoff, attempt: attempts - 1, random });
    const nextAttemptAt = isOver ? undefined : new Date(now.getTime() + waitMs);
    await notifications.failed(notificationId, { problem: result.problem, nextAttemptAt });
    deliveries.add(1, { outcome: isOver ? "given_up" : "failed" });
    const facts = { receiver, notification: notificationId, reason: result.problem, attempts };
    if (isOver) logger.error(facts, "a notification is given up");
    else logger.warn(facts, "a receiver was not told, will be tried again");
  }

  async function sent({ receiver, content }: DueNotification, signal: AbortSignal): Promise<DeliveryResult> {
    const channel = deps.channel(receiver);
    if (!channel) return notInFile;
    const over = new AbortController();
    const within = AbortSignal.any([signal, over.signal]);
    const end = () => tookTooLong;
    try {
      return await Promise.race([channel(content, within), clock.sleep(mostMs, within).then(end, end)]);
    } finally {
      over.abort();
    }
  }

  return createLoop({
    name: "delivery",
    clock,
    intervalMs: passMs,
    pass: async (signal) => {
      const now = clock.now();
      const until = new Date(now.getTime() + claimMs);
      const due = await notifications.claim({ now, until, limit: atOnce });
      await Promise.all(due.map((one) => deliver(one, signal)));
      waiting = await notifications.waiting();
      if (due.length === 0) await notifications.forget(new Date(now.getTime() - keptMs));
    },
    onError: (error) => logger.warn({ err: error, component: "delivery" }, "pass broke off, will run again"),
  });
}
