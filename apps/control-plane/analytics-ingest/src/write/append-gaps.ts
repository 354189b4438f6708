import type { Gap } from "@drawbridge/contracts/analytics/v1/request_batch";
import type { ReceivedBatch } from "./append-batch.ts";
import type { GapBlock } from "./request-block.ts";

/** As long as roll-ups are kept. */
const oldestMs = 400 * 86_400_000;
/** Largest number of a reason (request_batch.proto). */
const lastReason = 6;

/** What the gateway lost, and when: by the same clock as its requests, in bounds that the store can hold. */
export function appendGaps(block: GapBlock, { batch, fabricId, receivedAtMs }: ReceivedBatch): void {
  const { columns: to } = block;
  const timeOf = (ms: Gap["fromMs"]): number => {
    const asNumber = Number(BigInt.asUintN(53, ms) === ms ? ms : 0n);
    return Math.min(Math.max(asNumber, receivedAtMs - oldestMs), receivedAtMs);
  };
  for (const [ordinal, { requests, fromMs, toMs, reason }] of batch.gaps.entries()) {
    to.fabric_id.push(fabricId);
    to.gateway.push(batch.gatewayId);
    to.epoch.push(batch.epoch);
    to.sequence.push(batch.sequence);
    to.ordinal.push(ordinal);
    to.requests.push(requests);
    to.from_ts.push(timeOf(fromMs));
    to.to_ts.push(timeOf(toMs));
    to.reason.push(reason > 0 && reason <= lastReason ? reason : 0);
    to.received_at.push(Math.floor(receivedAtMs / 1000));
  }
}
