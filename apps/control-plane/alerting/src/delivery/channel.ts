import type { NotificationContent } from "../domain/notification.ts";

/** What came of telling somebody. */
export type DeliveryResult =
  | { readonly outcome: "delivered" }
  /** No secrets in it. "for good": it makes no sense to try again. */
  | { readonly outcome: "failed"; readonly problem: string; readonly ends: "later" | "for good" };

/** A way to a receiver. Never rejects. */
export type Channel = (content: NotificationContent, signal: AbortSignal) => Promise<DeliveryResult>;
