import type { Exchange } from "../../pipeline/exchange.ts";
import type { CachingConfiguration } from "./schema.ts";

/** Whose answer it is: anybody's, or of who made a request with credentials. */
export type Audience = { readonly kind: "anybody" } | { readonly kind: "authenticated"; readonly partition: string };

/** Requests that want something else than the whole of the current representation. */
const bypassing = ["range", "if-range", "if-match", "if-unmodified-since", "upgrade"];

/** Fields in which credentials travel. */
const credentialHeaders = ["authorization", "cookie", "client_id", "client_secret", "x-api-key"];

/** Whether an answer may come from the cache, and for whom; undefined: neither looked up nor stored. */
export function audienceOf(exchange: Exchange, configuration: CachingConfiguration): Audience | undefined {
  if (exchange.method !== "GET" && exchange.method !== "HEAD") return undefined;
  if (exchange.contentLength !== 0) return undefined;
  if (bypassing.some((name) => exchange.header(name) !== undefined)) return undefined;
  const isKnown = exchange.principal !== undefined || exchange.client !== undefined;
  const headers = [...credentialHeaders, ...configuration.credentialHeaders];
  if (!isKnown && headers.every((name) => exchange.header(name.toLowerCase()) === undefined))
    return { kind: "anybody" };
  // Credentials that no policy before this one has checked are the upstream's to check: it must see each of them.
  if (!isKnown || configuration.credentialedRequests === "never") return undefined;
  if (configuration.credentialedRequests === "shared") return { kind: "authenticated", partition: "shared" };
  const subject = exchange.principal?.["sub"];
  const issuer = exchange.principal?.["iss"];
  if (exchange.principal !== undefined && typeof subject !== "string") return undefined;
  return {
    kind: "authenticated",
    partition: JSON.stringify([exchange.client?.clientId ?? null, subject ?? null, issuer ?? null]),
  };
}

/** What answers are told apart by, beside what the upstream names in Vary. */
export function cacheKey(exchange: Exchange, audience: Audience, { key }: CachingConfiguration): string {
  return JSON.stringify([
    audience.kind === "anybody" ? null : audience.partition,
    exchange.isTls,
    exchange.authority,
    exchange.path,
    queryPart(exchange.query, key.query),
    key.headers.map((name) => exchange.header(name.toLowerCase()) ?? null),
  ]);
}

function queryPart(query: string, parts: CachingConfiguration["key"]["query"]): unknown {
  if (parts === "all") return query;
  if (parts === "none") return null;
  const parameters = new URLSearchParams(query);
  return parts.map((name) => parameters.getAll(name));
}
