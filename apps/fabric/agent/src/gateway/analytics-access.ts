import { createHash } from "node:crypto";
import type { GetAnalyticsAccessResponse } from "@drawbridge/contracts/gateway/v1/gateway_service";
import type { HttpProxy } from "@drawbridge/egress";
import { DrawbridgeError, isDrawbridgeError } from "@drawbridge/errors";
import type { Clock } from "@drawbridge/lifecycle";
import type { ReportPurpose } from "../egress/reports-of-gateways.ts";
import { isSessionOver } from "../tunnel/tunnel-errors.ts";
import type { TunnelSession } from "../tunnel/tunnel-session.ts";
import { insightRefused, type InsightRule } from "./insight-proxy.ts";
import { tunnelDown } from "./object-proxy.ts";

/** Access of all gateways of this fabric to analytics-ingest. The token is in memory only. */
export interface AnalyticsAccess {
  /**
   * From memory while a quarter of its life is left, else through the tunnel; where that fails, from memory until its end.
   * `refusedTokenSha256` names a token that does not work; empty for none.
   * @throws DrawbridgeError `ANALYTICS_NOT_OFFERED` | `INSIGHT_NOT_ALLOWED` (failed_precondition) | `ANALYTICS_ACCESS_UNAVAILABLE` | `TUNNEL_DOWN`
   *   (unavailable) | what the control plane answers
   */
  get(refusedTokenSha256: Buffer, purpose: ReportPurpose): Promise<GetAnalyticsAccessResponse>;
}

interface Kept {
  readonly access: GetAnalyticsAccessResponse;
  readonly tokenSha256: Buffer;
  /** By the control plane's clock. */
  readonly renewAt: Date;
  readonly expiresAt: Date;
  /** Monotonic. */
  readonly fetchedAtMs: number;
}

/** A token that is refused so soon is not replaced: the next one would be refused too. */
const refetchMs = 10_000;

/** Invariant: at most one request is under way, however many gateways ask. */
export function createAnalyticsAccess(options: {
  /** Whether this fabric's owner lets requests be reported. */
  readonly rule: "allowed" | "refused";
  readonly insight: InsightRule;
  readonly session: () => Pick<TunnelSession, "getAnalyticsAccess"> | undefined;
  /** What time it may be in the control plane: one instant, after a jump of the clock two. */
  readonly possibleNows: () => readonly Date[];
  /** Everything goes out through it: what gateways send, too. */
  readonly proxy: HttpProxy | undefined;
  /** Told whenever a gateway gets access to this URL. */
  readonly onGiven: (url: string, purpose: ReportPurpose) => void;
  /** Ends what is under way. */
  readonly stopping: AbortSignal;
  readonly clock: Pick<Clock, "monotonicMs">;
}): AnalyticsAccess {
  const { clock, stopping } = options;
  const proxy = options.proxy && { credentials: "", ...options.proxy };
  let kept: Kept | undefined;
  let underWay: Promise<Kept> | undefined;

  const isPast = (instant: Date): boolean => options.possibleNows().some((now) => now >= instant);

  async function fetch(): Promise<Kept> {
    const session = options.session();
    if (!session) throw tunnelDown();
    const answer = await session.getAnalyticsAccess(stopping).catch((error: unknown) => {
      throw isSessionOver(error) ? tunnelDown() : error;
    });
    const { token, expiresAt } = answer;
    if (token === "" || expiresAt === undefined) throw incomplete();
    const lifeMs = Math.max(...options.possibleNows().map((now) => expiresAt.getTime() - now.getTime()));
    return {
      access: { ...answer, proxy },
      tokenSha256: sha256(token),
      renewAt: new Date(expiresAt.getTime() - lifeMs / 4),
      expiresAt,
      fetchedAtMs: clock.monotonicMs(),
    };
  }

  function fetchOnce(): Promise<Kept> {
    underWay ??= fetch()
      .then((fetched) => (kept = fetched))
      .finally(() => (underWay = undefined));
    return underWay;
  }

  async function current(refusedTokenSha256: Buffer): Promise<Kept> {
    const before = kept;
    if (before === undefined || isRefused(before, refusedTokenSha256)) return fetchOnce();
    if (!isPast(before.renewAt)) return before;
    try {
      return await fetchOnce();
    } catch (error) {
      if (isPassing(error) && !isPast(before.expiresAt)) return before;
      kept = undefined;
      throw error;
    }
  }

  function isRefused({ tokenSha256, fetchedAtMs }: Kept, refused: Buffer): boolean {
    return tokenSha256.equals(refused) && clock.monotonicMs() - fetchedAtMs >= refetchMs;
  }

  return {
    get: async (refusedTokenSha256, purpose) => {
      if (purpose === "insight" && options.insight === "refused") throw insightRefused();
      if (purpose === "requests" && options.rule === "refused") throw refusedHere();
      try {
        const { access } = await current(refusedTokenSha256);
        options.onGiven(access.url, purpose);
        return access;
      } catch (error) {
        // A control plane from before there were analytics.
        if (isDrawbridgeError(error) && error.kind === "unimplemented") throw notOffered();
        throw error;
      }
    },
  };
}

/** The control plane said nothing, rather than no. */
function isPassing(error: unknown): boolean {
  return !isDrawbridgeError(error) || error.kind === "unavailable" || error.kind === "deadline_exceeded";
}

function sha256(token: string): Buffer {
  return createHash("sha256").update(token).digest();
}

function refusedHere(): DrawbridgeError {
  return new DrawbridgeError({
    kind: "failed_precondition",
    code: "ANALYTICS_NOT_OFFERED",
    message: "the owner of this fabric has set DRAWBRIDGE_ALLOW_ANALYTICS=false: no gateway reports requests",
    details: { reason: "REFUSED_BY_FABRIC" },
  });
}

function notOffered(): DrawbridgeError {
  return new DrawbridgeError({
    kind: "failed_precondition",
    code: "ANALYTICS_NOT_OFFERED",
    message: "this control plane keeps no requests of gateways",
  });
}

function incomplete(): DrawbridgeError {
  return new DrawbridgeError({
    kind: "unavailable",
    code: "ANALYTICS_ACCESS_UNAVAILABLE",
    message: "the control plane's answer holds no token; ask again",
    retryAfterMs: 60_000,
  });
}
