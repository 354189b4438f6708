import { z } from "zod";
import type { AttemptOutcome } from "../../pipeline/upstream-behaviour.ts";
import { definePolicyType } from "../../policy-type.ts";
import { Circuit } from "./circuit.ts";

const schema = z
  .strictObject({
    scope: z
      .enum(["replica", "api"])
      .default("replica")
      .describe("whether each replica of the app has a circuit of its own, or all together have one"),
    windowSeconds: z.number().int().min(1).max(300).default(10).describe("seconds over which failures are counted"),
    minimumRequests: z
      .number()
      .int()
      .min(1)
      .max(10_000)
      .default(20)
      .describe("requests in that time below which it does not open"),
    failurePercent: z
      .number()
      .min(1)
      .max(100)
      .default(50)
      .describe("share of them that must have failed for it to open"),
    statuses: z
      .array(z.number().int().min(500).max(599))
      .max(20)
      .default([502, 503, 504])
      .describe("statuses that count as failures, beside timeouts and broken connections"),
    openSeconds: z
      .number()
      .int()
      .min(1)
      .max(600)
      .default(5)
      .describe("seconds for which it is open; doubled each time that the trial fails"),
    longestOpenSeconds: z.number().int().min(1).max(3600).default(60).describe("longest time for which it is open"),
    trials: z
      .number()
      .int()
      .min(1)
      .max(100)
      .default(3)
      .describe("requests let through after that; all must succeed for it to close"),
  })
  .superRefine(({ openSeconds, longestOpenSeconds }, context) => {
    if (longestOpenSeconds < openSeconds) {
      context.addIssue({
        code: "custom",
        path: ["longestOpenSeconds"],
        message: "must not be shorter than openSeconds",
      });
    }
  });

type Configuration = z.output<typeof schema>;

/** Replicas come and go; the oldest circuit is forgotten beyond this. */
const mostCircuits = 1000;

export const circuitBreaker = definePolicyType<Configuration>({
  type: "circuit-breaker",
  title: "Circuit breaker",
  description:
    "Answers 503 for a while instead of sending requests to an upstream that fails, then tries it with a few.",
  category: "quality_of_service",
  schema,
  position: "ordered",
  provides: [],
  requiresContracts: () => false,
  bodyBytes: () => 0,
  create(configuration, context, { clock, raiseAlarm }) {
    const circuits = new Map<string, Circuit>();
    const circuitOf = (endpoint: string) => {
      const name = configuration.scope === "api" ? "" : endpoint;
      const known = circuits.get(name);
      if (known) return known;
      const created = new Circuit({
        windowMs: configuration.windowSeconds * 1000,
        minimumRequests: configuration.minimumRequests,
        failurePercent: configuration.failurePercent,
        openMs: configuration.openSeconds * 1000,
        longestOpenMs: configuration.longestOpenSeconds * 1000,
        trials: configuration.trials,
      });
      circuits.set(name, created);
      const [oldest] = circuits.keys();
      if (circuits.size > mostCircuits && oldest !== undefined) circuits.delete(oldest);
      return created;
    };
    const { apiId, policyId, policyName } = context;
    return {
      upstream: {
        breaker: {
          enter(exchange, endpoint) {
            const circuit = circuitOf(endpoint);
            const entry = circuit.enter(clock.monotonicMs());
            if ("waitMs" in entry) {
              return context.refuse(exchange, {
                status: 503,
                reason: "circuit_open",
                title: "The upstream is failing and is not asked for a while",
                headers: ["retry-after", String(Math.max(1, Math.ceil(entry.waitMs / 1000)))],
              });
            }
            exchange.setState(context.slot, { circuit, turn: entry.turn });
            return undefined;
          },
          leave(exchange, endpoint, outcome) {
            // Set by enter, which comes before.
            const entered = exchange.state(context.slot) as { circuit: Circuit; turn: number } | undefined;
            if (!entered) return;
            exchange.setState(context.slot, undefined);
            const hasOpened = entered.circuit.leave(
              entered.turn,
              resultOf(outcome, configuration),
              clock.monotonicMs(),
            );
            if (!hasOpened) return;
            const what = configuration.scope === "api" ? "the upstream" : endpoint;
            raiseAlarm({
              apiId,
              policyId,
              policyName,
              code: "CIRCUIT_OPENED",
              message: `${what} fails too often and is not asked for a while`,
            });
          },
        },
      },
    };
  },
});

function resultOf(
  outcome: AttemptOutcome | { readonly kind: "abandoned" },
  { statuses }: Configuration,
): "success" | "failure" | "abandoned" {
  if (outcome.kind === "abandoned") return "abandoned";
  if (outcome.kind !== "response") return "failure";
  return statuses.includes(outcome.status) ? "failure" : "success";
}
