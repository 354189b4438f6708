import { DrawbridgeError } from "@drawbridge/errors";
import { httpContext } from "@drawbridge/rpc";
import rateLimit, { normalizeIP } from "@fastify/rate-limit";
import type { FastifyInstance, FastifyRequest } from "fastify";

/** How many requests a minute are taken. */
export interface RequestRates {
  readonly perAddress: number;
  readonly perToken: number;
  readonly refusedPerAddress: number;
}

/** @throws DrawbridgeError `RATE_LIMITED` (resource_exhausted, with the wait) */
export interface RequestLimits {
  /** Every request counts, before anything is looked up. */
  admitAddress(request: FastifyRequest): Promise<void>;
  /** Were too many tokens from this address refused? Does not count. */
  admitAuthentication(request: FastifyRequest): Promise<void>;
  /** Count a refused token. */
  countRefusal(request: FastifyRequest): Promise<void>;
  admitToken(request: FastifyRequest, tokenId: string): Promise<void>;
}

const windowMs = 60_000;
/** Keys that are remembered per limit; the ones used longest ago are dropped first. */
const maxKeys = 20_000;

/** The address that limits count for: an IPv6 network of 64 bits is one caller. */
export function limitedAddress(remoteAddress: string): string {
  return remoteAddress === "unknown" ? remoteAddress : normalizeIP(remoteAddress);
}

export async function createRequestLimits(app: FastifyInstance, rates: RequestRates): Promise<RequestLimits> {
  await app.register(rateLimit, { global: false });
  const tokenIds = new WeakMap<FastifyRequest, string>();
  const addressOf = (request: FastifyRequest): string => limitedAddress(httpContext(request).remoteAddress);
  const limit = (max: number, keyGenerator: (request: FastifyRequest) => string) => {
    // Its type leaves out `cache`, which every limiter of its own reads (store/LocalStore.js, child).
    const settings = { max, timeWindow: windowMs, cache: maxKeys, keyGenerator };
    return app.createRateLimit(settings);
  };
  const byAddress = limit(rates.perAddress, addressOf);
  const byRefusal = limit(rates.refusedPerAddress, addressOf);
  const byToken = limit(rates.perToken, (request) => tokenIds.get(request) ?? "");

  async function admit(check: typeof byAddress, request: FastifyRequest, who: string): Promise<void> {
    const verdict = await check(request);
    if (!verdict.isAllowed && verdict.isExceeded) throw rateLimited(who, verdict.ttl);
  }

  return {
    admitAddress: (request) => admit(byAddress, request, "from this address"),
    admitToken: (request, tokenId) => {
      tokenIds.set(request, tokenId);
      return admit(byToken, request, "with this token");
    },
    admitAuthentication: async (request) => {
      const verdict = await byRefusal(request, { increment: false });
      if (!verdict.isAllowed && verdict.remaining === 0)
        throw rateLimited("with a bad token from this address", verdict.ttl);
    },
    countRefusal: async (request) => void (await byRefusal(request)),
  };
}

function rateLimited(who: string, waitMs: number): DrawbridgeError {
  return new DrawbridgeError({
    kind: "resource_exhausted",
    code: "RATE_LIMITED",
    message: `too many requests ${who}; wait ${Math.ceil(waitMs / 1_000)} s and try again`,
    retryAfterMs: Math.max(1_000, Math.ceil(waitMs)),
  });
}
