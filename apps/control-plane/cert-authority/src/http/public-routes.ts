import { DrawbridgeError, isDrawbridgeError } from "@drawbridge/errors";
import { trustBundleToJson } from "@drawbridge/pki";
import type { createHttpServer } from "@drawbridge/rpc";
import type { Authority } from "../ca/authority.ts";
import { crlFreshForMs, type Crl, type CrlCache } from "../revocation/crl-cache.ts";
import { requireUuid } from "../rpc/requests.ts";

export interface PublicRoutesDeps {
  readonly authority: Pick<Authority, "get">;
  /** Throws `CA_STATE_BEHIND` if no trust bundle may be handed out now. */
  readonly assertCurrent: () => void;
  readonly crls: CrlCache;
}

type Register = Parameters<typeof createHttpServer>[0]["register"];
type App = Parameters<Register>[0];

/** What anybody may read: it is signed, or worthless without a signature. */
export function publicRoutes({ authority, assertCurrent, crls }: PublicRoutesDeps): Register {
  return (app) => {
    app.get("/v1/trust-bundle", (_request, reply) => {
      orUnavailable(assertCurrent);
      const { trustBundle } = authority.get();
      return reply
        .header("cache-control", `max-age=${trustBundle.refreshHintSeconds}`)
        .type("application/json; charset=utf-8")
        .send(trustBundleToJson(trustBundle));
    });
    crlRoute(app, "/v1/crl", () => crls.get());
    crlRoute(app, "/v1/crl/:issuerId", ({ issuerId }) => crls.get(requireUuid("issuer_id", issuerId ?? "")));
  };
}

/** What a caller who can change nothing is told: 503, so that nobody takes the answer for one about his request. */
function orUnavailable(assert: () => void): void {
  try {
    assert();
  } catch (error) {
    if (!isDrawbridgeError(error)) throw error;
    throw new DrawbridgeError({
      kind: "unavailable",
      code: error.code,
      message:
        "no trust bundle is handed out now: the record of the certificate authority is older than what was in use",
      cause: error,
    });
  }
}

/** With conditional requests (RFC 9110 13): a reader that has the list already is told so. */
function crlRoute(app: App, path: string, read: (parameters: { readonly issuerId?: string }) => Promise<Crl>): void {
  app.get<{ Params: { readonly issuerId?: string } }>(path, async (request, reply) => {
    const crl = await read(request.params);
    void reply
      .header("etag", crl.etag)
      .header("last-modified", crl.thisUpdate.toUTCString())
      .header("cache-control", `max-age=${crlFreshForMs / 1000}`);
    const { "if-none-match": tags, "if-modified-since": since } = request.headers;
    if (hasCurrent(crl, { tags, since })) return reply.code(304).send();
    return reply.type("application/pkix-crl").send(Buffer.from(crl.der));
  });
}

/** RFC 9110 13.2.2: the time counts only if no tags were sent. Weak comparison: a byte-identical list is the same list. */
function hasCurrent(
  crl: Crl,
  asked: { readonly tags: string | undefined; readonly since: string | undefined },
): boolean {
  if (asked.tags !== undefined) {
    const tags = new Set(asked.tags.split(",").map((tag) => tag.trim().replace(/^W\//, "")));
    return tags.has("*") || tags.has(crl.etag);
  }
  const sinceMs = asked.since === undefined ? Number.NaN : Date.parse(asked.since);
  return Math.floor(crl.thisUpdate.getTime() / 1000) * 1000 <= sinceMs;
}
