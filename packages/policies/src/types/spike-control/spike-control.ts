import { z } from "zod";
import type { Exchange } from "../../pipeline/exchange.ts";
import type { Reply } from "../../pipeline/reply.ts";
import { definePolicyType } from "../../policy-type.ts";
import { exposeHeadersField } from "../limit-fields.ts";
import { limitHeaders, retryAfterSeconds, writeStanding } from "../limit-headers.ts";
import { createSlidingWindow } from "./sliding-window.ts";

const spikeControlSchema = z.strictObject({
  requests: z
    .number()
    .int()
    .min(1)
    .max(1_000_000)
    .meta({ description: "requests allowed in any window of that length" }),
  periodMs: z
    .number()
    .int()
    .min(100)
    .max(60_000)
    .default(1_000)
    .meta({ description: "length of the window in milliseconds" }),
  queue: z
    .strictObject({
      length: z
        .number()
        .int()
        .min(0)
        .max(10_000)
        .meta({ description: "requests that may wait at once, in each thread of the gateway; 0: none waits" }),
      delayMs: z
        .number()
        .int()
        .min(10)
        .max(10_000)
        .default(500)
        .meta({ description: "time between two tries of a waiting request" }),
      attempts: z.number().int().min(1).max(10).default(2).meta({ description: "tries after the first" }),
    })
    .prefault({ length: 0 })
    .meta({ description: "requests above the limit wait here instead of being refused at once" }),
  exposeHeaders: exposeHeadersField,
});

export const spikeControl = definePolicyType({
  type: "spike-control",
  title: "Spike control",
  description:
    "Smooths bursts: requests above the limit of a sliding window wait a little, and are refused if there is still no room.",
  category: "quality_of_service",
  schema: spikeControlSchema,
  position: "ordered",
  provides: [],
  requiresContracts: () => false,
  bodyBytes: () => 0,
  create({ requests, periodMs, queue, exposeHeaders }, { policyId, slot, refuse }, { clock, counters }) {
    const window = createSlidingWindow({ name: policyId, requests, periodMs, counters });
    let waiting = 0;
    const tryOnce = (exchange: Exchange, nowMs: number): boolean => {
      const { isAllowed, remaining, resetMs } = window.take(nowMs);
      if (isAllowed && exposeHeaders) exchange.setState(slot, { limit: requests, remaining, resetMs });
      return isAllowed;
    };
    const refusal = (exchange: Exchange): Reply =>
      refuse(exchange, {
        status: 429,
        reason: "spike_refused",
        title: "Too many requests at once",
        headers: [
          "retry-after",
          retryAfterSeconds(periodMs),
          ...(exposeHeaders ? limitHeaders({ limit: requests, remaining: 0, resetMs: periodMs }) : []),
        ],
      });
    const wait = async (exchange: Exchange): Promise<Reply | undefined> => {
      waiting += 1;
      try {
        for (let attempt = 0; attempt < queue.attempts; attempt += 1) {
          await new Promise<void>((resolve) => {
            clock.after(queue.delayMs, resolve);
          });
          if (tryOnce(exchange, clock.nowMs())) return undefined;
        }
        return refusal(exchange);
      } finally {
        waiting -= 1;
      }
    };
    return {
      onRequest(exchange) {
        if (tryOnce(exchange, exchange.nowMs)) return undefined;
        return waiting < queue.length ? wait(exchange) : refusal(exchange);
      },
      ...(exposeHeaders && {
        onResponse: (exchange, response) => writeStanding(exchange, response, slot),
      }),
    };
  },
});
