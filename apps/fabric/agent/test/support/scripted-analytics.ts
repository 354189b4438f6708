import { createHash, randomBytes } from "node:crypto";
import type { GetAnalyticsAccessResponse } from "@drawbridge/contracts/tunnel/v1/tunnel_service";
import type { DrawbridgeError } from "@drawbridge/errors";

/** What runtime-manager does with `GetAnalyticsAccess`: a token of its own for each request. */
export interface ScriptedAnalytics {
  /** Tokens that were given, in order. */
  readonly tokens: readonly string[];
  ttlMs: number;
  url: string;
  /** The next answers are this instead. */
  refusal: DrawbridgeError | undefined;
  /** Answers take until this has resolved. */
  held: Promise<void>;
  /** Requests, answered or not. */
  readonly requests: number;
  answer(): Promise<GetAnalyticsAccessResponse>;
}

export const analyticsUrl = "https://analytics.example:7450";

export function createScriptedAnalytics(now: () => Date): ScriptedAnalytics {
  const tokens: string[] = [];
  let requests = 0;
  const script: ScriptedAnalytics = {
    tokens,
    ttlMs: 3_600_000,
    url: analyticsUrl,
    refusal: undefined,
    held: Promise.resolve(),
    get requests() {
      return requests;
    },
    async answer() {
      requests += 1;
      await script.held;
      if (script.refusal) throw script.refusal;
      const token = `token-${randomBytes(16).toString("hex")}`;
      tokens.push(token);
      return { token, expiresAt: new Date(now().getTime() + script.ttlMs), url: script.url };
    },
  };
  return script;
}

export function sha256(token: string | undefined): Buffer {
  return createHash("sha256")
    .update(token ?? "")
    .digest();
}
