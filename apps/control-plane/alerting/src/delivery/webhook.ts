import { createHmac } from "node:crypto";
import { lookup } from "node:dns";
import { request as requestHttp } from "node:http";
import { request as requestHttps, type RequestOptions } from "node:https";
import type { LookupFunction } from "node:net";
import type { Clock } from "@drawbridge/lifecycle";
import { findUrlProblem, isBlockedAddress } from "@drawbridge/policies";
import type { Channel, DeliveryResult } from "./channel.ts";

export interface WebhookOptions {
  readonly url: string;
  readonly allowLoopbackHttp: boolean;
  readonly secret: { reveal(): string };
  readonly clock: Pick<Clock, "now">;
  /** Default that of the system. */
  readonly resolve?: LookupFunction;
}

const timeoutMs = 10_000;
/** Receivers that say so want nothing more. */
const gone = 410;

/**
 * POST of the content as JSON. Signed: `drawbridge-signature: v1=<hex HMAC-SHA256 of "<drawbridge-timestamp>.<body>">`, so that a
 * receiver knows who sent it and when; `drawbridge-delivery` is the same when it is sent again. Redirects are not followed, and
 * no link-local or metadata address is asked, whatever a name resolves to.
 */
export function createWebhook(options: WebhookOptions): Channel {
  const { url, allowLoopbackHttp, secret, clock } = options;
  return async (content, signal) => {
    const problem = findUrlProblem(url, { allowLoopbackHttp });
    if (problem !== undefined) return { outcome: "failed", problem: `its URL ${problem}`, ends: "for good" };
    const body = JSON.stringify(content);
    const timestamp = String(Math.floor(clock.now().getTime() / 1_000));
    const signature = createHmac("sha256", secret.reveal()).update(`${timestamp}.${body}`).digest("hex");
    const headers = {
      "content-type": "application/json",
      "content-length": Buffer.byteLength(body),
      "user-agent": "drawbridge-alerting",
      "drawbridge-delivery": content.notificationId,
      "drawbridge-timestamp": timestamp,
      "drawbridge-signature": `v1=${signature}`,
    };
    const within = AbortSignal.any([signal, AbortSignal.timeout(timeoutMs)]);
    try {
      const guardedLookup = guarded(options.resolve ?? systemLookup);
      const request = { method: "POST", headers, signal: within, lookup: guardedLookup, agent: false } as const;
      return resultOf(await post(new URL(url), request, body));
    } catch (error) {
      return { outcome: "failed", problem: reasonOf(error, within), ends: "later" };
    }
  };
}

function post(url: URL, options: RequestOptions, body: string): Promise<number> {
  const { promise, resolve, reject } = Promise.withResolvers<number>();
  const request = (url.protocol === "http:" ? requestHttp : requestHttps)(url, options, (answer) => {
    resolve(answer.statusCode ?? 0);
    answer.destroy(); // what it says beside the status is nobody's
  });
  request.on("error", reject);
  // Without an answer and without an error: "101 Switching Protocols". After either of them it changes nothing.
  request.on("close", () => reject(new UntoldError("it closed the connection without an answer")));
  request.end(body);
  return promise;
}

function resultOf(status: number): DeliveryResult {
  if (status >= 200 && status < 300) return { outcome: "delivered" };
  return { outcome: "failed", problem: `it answered ${status}`, ends: status === gone ? "for good" : "later" };
}

function reasonOf(error: unknown, signal: AbortSignal): string {
  if (signal.aborted) return "it did not answer in time";
  if (error instanceof UntoldError) return error.message;
  return error instanceof Error && "code" in error
    ? `it cannot be reached (${String(error.code)})`
    : "it cannot be reached";
}

/** Its message holds no secrets. */
class UntoldError extends Error {}

const systemLookup: LookupFunction = (name, options, done) => {
  lookup(name, options, done);
};

/** A look-up that gives no address that nobody may be made to ask; one among many spoils all of them. */
function guarded(resolve: LookupFunction): LookupFunction {
  return (name, options, done) => {
    resolve(name, { ...options, all: true }, (error, found, family) => {
      if (error) return done(error, "");
      const addresses = Array.isArray(found) ? found : [{ address: found, family: family ?? 0 }];
      if (addresses.some(({ address }) => isBlockedAddress(address)))
        return done(new UntoldError("its name leads to a link-local or metadata address"), "");
      const [first] = addresses;
      if (options.all === true || first === undefined) return done(null, addresses);
      return done(null, first.address, first.family);
    });
  };
}
