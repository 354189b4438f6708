import type { Enforcement } from "../pipeline/enforcement.ts";
import type { Exchange } from "../pipeline/exchange.ts";
import type { Reply } from "../pipeline/reply.ts";
import type { PolicyContext } from "../policy-type.ts";
import { limitHeaders, retryAfterSeconds, writeStanding } from "./limit-headers.ts";
import type { LimitVerdict } from "./window-limits.ts";

export interface LimitRefusal {
  readonly reason: string;
  readonly title: string;
}

/** Turn a judgement into a policy: 429 with Retry-After, and x-ratelimit-* headers if they are wanted. */
export function enforceLimit(
  { refuse, slot }: Pick<PolicyContext, "refuse" | "slot">,
  {
    judge,
    exposeHeaders,
    refusal,
  }: {
    /** A reply if it cannot be judged; undefined: not limited. */
    readonly judge: (exchange: Exchange) => LimitVerdict | Reply | undefined;
    readonly exposeHeaders: boolean;
    readonly refusal: LimitRefusal;
  },
): Enforcement {
  const onRequest = (exchange: Exchange): Reply | undefined => {
    const verdict = judge(exchange);
    if (verdict === undefined || "status" in verdict) return verdict;
    if (verdict.isAllowed) {
      if (exposeHeaders) exchange.setState(slot, verdict.standing);
      return undefined;
    }
    return refuse(exchange, {
      status: 429,
      ...refusal,
      headers: [
        "retry-after",
        retryAfterSeconds(verdict.standing.resetMs),
        ...(exposeHeaders ? limitHeaders(verdict.standing) : []),
      ],
    });
  };
  if (!exposeHeaders) return { onRequest };
  return { onRequest, onResponse: (exchange, response) => writeStanding(exchange, response, slot) };
}
