import { z } from "zod";
import type { AttemptOutcome } from "../../pipeline/upstream-behaviour.ts";
import type { Exchange } from "../../pipeline/exchange.ts";
import { definePolicyType } from "../../policy-type.ts";
import { createRetryBudget } from "./retry-budget.ts";

const schema = z
  .strictObject({
    attempts: z.number().int().min(2).max(5).default(2).describe("attempts in all, the first included"),
    on: z
      .array(z.enum(["connect_failed", "timeout", "reset"]))
      .default(["connect_failed", "reset"])
      .describe("failures after which a request is repeated, all before the first byte of a response"),
    statuses: z
      .array(z.number().int().min(500).max(599))
      .max(20)
      .default([502, 503, 504])
      .describe("statuses of the upstream after which a request is repeated"),
    attemptTimeoutMs: z
      .number()
      .int()
      .min(0)
      .max(600_000)
      .default(0)
      .describe("milliseconds that one attempt has until its first byte; 0: the gateway's own limits"),
    pauseMs: z
      .number()
      .int()
      .min(0)
      .max(10_000)
      .default(50)
      .describe("longest pause before the second attempt; doubled before each further one"),
    longestPauseMs: z
      .number()
      .int()
      .min(0)
      .max(30_000)
      .default(1000)
      .describe("longest pause of all; a Retry-After beyond it is not waited for"),
    bufferBytes: z
      .number()
      .int()
      .min(0)
      .max(1_048_576)
      .default(65_536)
      .describe("longest body that is kept for a repetition; requests with a longer one are not repeated"),
    budgetPercent: z
      .number()
      .min(1)
      .max(100)
      .default(20)
      .describe("repetitions per hundred requests, in each worker thread"),
    budgetReserve: z.number().int().min(1).max(1000).default(10).describe("repetitions that may be saved up"),
  })
  .superRefine(({ on, statuses }, context) => {
    if (on.length === 0 && statuses.length === 0) {
      context.addIssue({
        code: "custom",
        path: ["on"],
        message: "must not be empty when statuses is: nothing would be repeated",
      });
    }
  });

type Configuration = z.output<typeof schema>;

/** RFC 9110, section 9.2.2. */
const idempotentMethods = new Set(["GET", "HEAD", "OPTIONS", "TRACE", "PUT", "DELETE"]);

export const retry = definePolicyType<Configuration>({
  type: "retry",
  title: "Retries",
  description:
    "Repeats requests that failed before the first byte of a response: idempotent ones, and others only if the upstream was never reached. Within a budget.",
  category: "quality_of_service",
  schema,
  position: "ordered",
  provides: [],
  requiresContracts: () => false,
  bodyBytes: () => 0,
  create(configuration, _context, { random }) {
    const budget = createRetryBudget({ percent: configuration.budgetPercent, reserve: configuration.budgetReserve });
    const { attempts, attemptTimeoutMs, bufferBytes } = configuration;
    return {
      onRequest() {
        budget.earn();
        return undefined;
      },
      upstream: {
        retry: {
          attempts,
          attemptTimeoutMs,
          bufferBytes,
          delayMs(exchange, attempt, outcome) {
            if (attempt >= attempts || !isRepeatable(exchange, outcome, configuration)) return undefined;
            const pauseMs = pauseOf(attempt, outcome, configuration, random());
            return pauseMs !== undefined && budget.spend() ? pauseMs : undefined;
          },
        },
      },
    };
  },
});

function isRepeatable({ method }: Exchange, outcome: AttemptOutcome, { on, statuses }: Configuration): boolean {
  if (outcome.kind === "connect_failed") return on.includes("connect_failed");
  if (!idempotentMethods.has(method)) return false;
  return outcome.kind === "response" ? statuses.includes(outcome.status) : on.includes(outcome.kind);
}

/** Full jitter up to a bound that doubles, and at least what the upstream asked for; undefined if that is too long. */
function pauseOf(
  attempt: number,
  outcome: AttemptOutcome,
  { pauseMs, longestPauseMs }: Configuration,
  random: number,
): number | undefined {
  const jitteredMs = Math.floor(Math.min(longestPauseMs, pauseMs * 2 ** (attempt - 1)) * random);
  const asked = outcome.kind === "response" ? outcome.header("retry-after") : undefined;
  if (asked === undefined) return jitteredMs;
  // A date, or anything else that is no number of seconds: not now.
  const askedMs = /^\d{1,6}$/.test(asked) ? Number(asked) * 1000 : Number.POSITIVE_INFINITY;
  return askedMs > longestPauseMs ? undefined : Math.max(jitteredMs, askedMs);
}
