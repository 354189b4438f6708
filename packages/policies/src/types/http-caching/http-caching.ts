import type { ResponseTap } from "../../pipeline/enforcement.ts";
import type { Exchange, ResponseHead } from "../../pipeline/exchange.ts";
import type { Reply } from "../../pipeline/reply.ts";
import { definePolicyType, type PolicyContext } from "../../policy-type.ts";
import type { PolicyClock } from "../../policy-services.ts";
import { freshnessOf, readCacheControl, readHttpDate, secondsOf } from "./cache-control.ts";
import { audienceOf, cacheKey, type Audience } from "./cacheable-request.ts";
import { isNotModified } from "./conditional-request.ts";
import { createInvalidation, invalidatedPaths, isUnsafe } from "./invalidation.ts";
import { ResponseStore, type StoredResponse } from "./response-store.ts";
import { schema, type CachingConfiguration } from "./schema.ts";

/** What is known about a request that was not answered from the cache. */
interface Miss {
  readonly key: string;
  readonly audience: Audience;
  readonly mark: string;
  /** Set when the head of its response may be kept. */
  storable: Omit<StoredResponse, "body"> | undefined;
}

export const httpCaching = definePolicyType<CachingConfiguration>({
  type: "http-caching",
  title: "HTTP caching",
  description:
    "Answers GET and HEAD from responses that the upstream allowed to be kept (RFC 9111). Always the last policy: a kept response is given only when every other one has let the request pass.",
  category: "quality_of_service",
  schema,
  position: "last",
  isSingle: true,
  provides: [],
  requiresContracts: () => false,
  bodyBytes: () => 0,
  create(configuration, context, services) {
    const { clock } = services;
    const store = new ResponseStore({
      mostEntries: configuration.maximumEntries,
      mostBytes: configuration.maximumBytes,
    });
    const invalidation = createInvalidation(services, {
      policyId: context.policyId,
      memoryMs: (configuration.maximumTtlSeconds + 60) * 1000,
    });
    const missOf = (exchange: Exchange) => exchange.state(context.slot) as Miss | undefined; // only set below
    /** Bytes of responses that are being received. */
    const receiving = { bytes: 0 };

    return {
      onRequest(exchange) {
        const audience = audienceOf(exchange, configuration);
        if (!audience) return undefined;
        const wishes = configuration.honourRequestDirectives ? wishesOf(exchange) : anyAge;
        const key = cacheKey(exchange, audience, configuration);
        const mark = invalidation.mark(exchange.path);
        const stored = store.find(key, exchange);
        if (stored && stored.mark !== mark) store.remove(key, exchange);
        else if (stored && isFresh(stored, clock.monotonicMs(), wishes))
          return replay(exchange, { stored, clock, context });
        exchange.setState(context.slot, { key, audience, mark, storable: undefined } satisfies Miss);
        return undefined;
      },
      onResponse(exchange, response) {
        if (response.origin !== "upstream") return;
        if (isUnsafe(exchange.method) && response.status >= 200 && response.status < 400) {
          if (configuration.unsafeMethodsInvalidate === "everything") invalidation.invalidateEverything();
          else for (const path of invalidatedPaths(exchange, response)) invalidation.invalidate(path);
        }
        const miss = missOf(exchange);
        if (miss) miss.storable = storableOf(exchange, response, { miss, configuration, clock });
      },
      tapResponse(exchange) {
        const miss = missOf(exchange);
        const storable = miss?.storable;
        if (!miss || !storable) return undefined;
        return collect(configuration, receiving, (body) => store.put(miss.key, exchange, { ...storable, body }));
      },
    };
  },
});

const anyAge = { isRefusing: false, maximumAgeMs: Number.POSITIVE_INFINITY };

/** RFC 9111, sections 5.2.1.1, 5.2.1.4 and 5.4. */
function wishesOf(exchange: Exchange): typeof anyAge {
  const value = exchange.header("cache-control");
  const directives = readCacheControl(value);
  if (!directives) return { ...anyAge, isRefusing: true };
  const isRefusing =
    directives.has("no-cache") || (value === undefined && /no-cache/i.test(exchange.header("pragma") ?? ""));
  const seconds = secondsOf(directives, "max-age");
  return { isRefusing, maximumAgeMs: seconds === undefined ? Number.POSITIVE_INFINITY : seconds * 1000 };
}

function isFresh(stored: StoredResponse, nowMs: number, wishes: typeof anyAge): boolean {
  if (wishes.isRefusing || nowMs >= stored.staleAtMs) return false;
  return stored.ageMs + nowMs - stored.storedAtMs <= wishes.maximumAgeMs;
}

/** Fields that a 304 carries (RFC 9110, section 15.4.5). */
const notModifiedHeaders = new Set(["cache-control", "content-location", "etag", "expires", "vary", "last-modified"]);

function replay(
  exchange: Exchange,
  { stored, clock, context }: { stored: StoredResponse; clock: PolicyClock; context: PolicyContext },
): Reply {
  const ageSeconds = Math.floor((stored.ageMs + clock.monotonicMs() - stored.storedAtMs) / 1000);
  const age = ["age", String(Math.max(0, ageSeconds))];
  const reason = "cached_response";
  if (stored.status === 200 && isNotModified(exchange, stored)) {
    const kept = stored.headers.flatMap((name, index) =>
      index % 2 === 0 && notModifiedHeaders.has(name.toLowerCase()) ? [name, stored.headers[index + 1] ?? ""] : [],
    );
    return context.answer({ status: 304, reason, headers: [...kept, ...age] });
  }
  // To HEAD the gateway sends the length of the body, and not the body.
  return context.answer({ status: stored.status, reason, headers: [...stored.headers, ...age], body: stored.body });
}

/** Statuses whose meaning lasts (RFC 9110, section 15.1), without those that need a partial or a stale answer. */
const storableStatuses = new Set([200, 203, 300, 301, 308, 404, 410]);
const notKept = new Set(["date", "age", "content-length", "transfer-encoding", "connection", "keep-alive", "trailer"]);

/** RFC 9111, sections 3 and 3.5. @returns the head to keep, or undefined */
function storableOf(
  exchange: Exchange,
  response: ResponseHead,
  { miss, configuration, clock }: { miss: Miss; configuration: CachingConfiguration; clock: PolicyClock },
): Miss["storable"] {
  if (exchange.method !== "GET" || !storableStatuses.has(response.status)) return undefined;
  const directives = readCacheControl(response.header("cache-control"));
  if (!directives || ["no-store", "private", "no-cache"].some((name) => directives.has(name))) return undefined;
  const requested = readCacheControl(exchange.header("cache-control"));
  if (!requested || requested.has("no-store")) return undefined;
  // One client's cookie must not become everybody's, whatever the response says; part of a body is not the body.
  if (["set-cookie", "set-cookie2", "content-range"].some((name) => response.header(name) !== undefined))
    return undefined;
  if (miss.audience.kind === "authenticated" && miss.audience.partition === "shared") {
    if (!["public", "s-maxage", "must-revalidate"].some((name) => directives.has(name))) return undefined;
  }
  const vary = (response.header("vary") ?? "").split(",").map((name) => name.trim().toLowerCase());
  if (vary.includes("*")) return undefined;
  const nowMs = clock.monotonicMs();
  const { lifetimeMs, ageMs } = freshnessOf(response, directives, {
    requestedAtMs: exchange.nowMs,
    nowMs: clock.nowMs(),
    defaultTtlMs: configuration.defaultTtlSeconds * 1000,
  });
  const leftMs = Math.min(lifetimeMs, configuration.maximumTtlSeconds * 1000) - ageMs;
  if (!(leftMs > 0)) return undefined;
  const declared = response.header("content-length");
  if (declared !== undefined && !(Number(declared) <= configuration.maximumEntryBytes)) return undefined;
  return {
    status: response.status,
    headers: response.rawHeaders.filter(
      (_, index, all) => !notKept.has((all[index - (index % 2)] ?? "").toLowerCase()),
    ),
    vary: [...new Set(vary.filter((name) => name !== ""))].toSorted(),
    etag: response.header("etag"),
    lastModifiedMs: readHttpDate(response.header("last-modified")),
    storedAtMs: nowMs,
    ageMs,
    staleAtMs: nowMs + leftMs,
    mark: miss.mark,
  };
}

/** Copies a body while it passes; given up when it is too long, or when all that are being received are. */
function collect(
  { maximumEntryBytes, maximumBytes }: CachingConfiguration,
  receiving: { bytes: number },
  keep: (body: Buffer) => void,
): ResponseTap {
  let chunks: Buffer[] | undefined = [];
  let length = 0;
  const giveUp = () => {
    chunks = undefined;
    receiving.bytes -= length;
    length = 0;
  };
  return {
    chunk(bytes) {
      if (!chunks) return;
      length += bytes.length;
      receiving.bytes += bytes.length;
      if (length > maximumEntryBytes || receiving.bytes > maximumBytes) return giveUp();
      chunks.push(Buffer.from(bytes));
    },
    end(isComplete) {
      const body = isComplete && chunks ? Buffer.concat(chunks) : undefined;
      giveUp();
      if (body) keep(body);
    },
  };
}
