import { headerValue } from "../../pipeline/header-list.ts";
import type { Exchange, ResponseHead } from "../../pipeline/exchange.ts";
import type { Reply } from "../../pipeline/reply.ts";
import { definePolicyType, type PolicyContext } from "../../policy-type.ts";
import { corsSchema, type Cors } from "./schema.ts";

/** Fetch standard, "CORS protocol": what an upstream must not contradict. */
const responseHeaders = [
  "access-control-allow-origin",
  "access-control-allow-credentials",
  "access-control-allow-methods",
  "access-control-allow-headers",
  "access-control-expose-headers",
  "access-control-max-age",
] as const;

/** Methods that need no preflight and are always allowed in one (Fetch standard). */
const safelistedMethods: ReadonlySet<string> = new Set(["GET", "HEAD", "POST"]);

export const cors = definePolicyType({
  type: "cors",
  title: "CORS",
  description:
    "Answers preflight requests and tells browsers which sites may call the API. Always the first policy, for the whole API.",
  category: "security",
  schema: corsSchema,
  position: "first",
  isSingle: true,
  provides: [],
  requiresContracts: () => false,
  bodyBytes: () => 0,
  create(configuration, { refuse, answer }) {
    const groupOf = createGroupLookup(configuration.groups);
    return {
      onRequest(exchange) {
        const origin = exchange.header("origin");
        if (origin === undefined) return undefined;
        const group = groupOf(origin);
        const requestedMethod = exchange.header("access-control-request-method");
        if (exchange.method === "OPTIONS" && requestedMethod !== undefined) {
          return preflight({ exchange, origin, requestedMethod, group, configuration, refuse, answer });
        }
        if (group === undefined && configuration.otherOrigins === "refuse") return originRefused(exchange, refuse);
        return undefined;
      },
      onResponse(exchange, response) {
        if (exchange.reply?.reason === "cors_preflight") return;
        for (const name of responseHeaders) response.removeHeader(name);
        const origin = headerValue(exchange.rawHeaders, "origin");
        const group = origin === undefined ? undefined : groupOf(origin);
        // Also without an origin: a cache must not give that response to a browser that sends one.
        if (!allowsEverybody(configuration)) varyByOrigin(response);
        if (origin === undefined || group === undefined) return;
        response.setHeader("access-control-allow-origin", group.origins.includes("*") ? "*" : origin);
        if (configuration.credentials) response.setHeader("access-control-allow-credentials", "true");
        if (group.exposedHeaders.length > 0) {
          response.setHeader("access-control-expose-headers", group.exposedHeaders.join(", "));
        }
      },
    };
  },
});

type Group = Cors["groups"][number];

function createGroupLookup(groups: readonly Group[]): (origin: string) => Group | undefined {
  const lookups = groups.map((group) => {
    const exact = new Set(group.origins);
    const suffixes = group.origins
      .filter((origin) => origin.includes("://*."))
      .map((origin) => {
        const [scheme = "", host = ""] = origin.split("://*");
        return { scheme: `${scheme}://`, host };
      });
    return { group, exact, suffixes };
  });
  return (origin) =>
    lookups.find(
      ({ exact, suffixes }) =>
        exact.has("*") ||
        exact.has(origin) ||
        // What stands for "*" is a host name and nothing more: "https://evil.com/.example.com" is no origin.
        suffixes.some(
          ({ scheme, host }) =>
            origin.startsWith(scheme) &&
            origin.endsWith(host) &&
            /^[a-z0-9.-]+$/.test(origin.slice(scheme.length, origin.length - host.length)),
        ),
    )?.group;
}

function allowsEverybody({ groups }: Cors): boolean {
  return groups[0]?.origins.includes("*") === true;
}

function varyByOrigin(response: ResponseHead): void {
  const vary = response.header("vary");
  if (vary === undefined) response.appendHeader("vary", "Origin");
  else if (!/(?:^|,)\s*(?:origin|\*)\s*(?:,|$)/i.test(vary)) response.setHeader("vary", `${vary}, Origin`);
}

function originRefused(exchange: Exchange, refuse: PolicyContext["refuse"]): Reply {
  return refuse(exchange, {
    status: 403,
    reason: "origin_not_allowed",
    title: "Requests of this origin are not allowed",
    headers: ["vary", "Origin"],
  });
}

interface Preflight extends Pick<PolicyContext, "refuse" | "answer"> {
  readonly exchange: Exchange;
  readonly origin: string;
  readonly requestedMethod: string;
  readonly group: Group | undefined;
  readonly configuration: Cors;
}

/** Answered here, whatever policies follow: a browser sends no credentials with it. */
function preflight({ exchange, origin, requestedMethod, group, configuration, refuse, answer }: Preflight): Reply {
  if (group === undefined) return originRefused(exchange, refuse);
  const refused = (reason: string, title: string): Reply =>
    refuse(exchange, { status: 403, reason, title, headers: ["vary", "Origin"] });
  if (!group.methods.includes(requestedMethod) && !safelistedMethods.has(requestedMethod)) {
    return refused("cors_method_not_allowed", "This method is not allowed for this origin");
  }
  const allowed = new Set(group.headers.map((name) => name.toLowerCase()));
  const requested = (exchange.header("access-control-request-headers") ?? "")
    .split(",")
    .map((name) => name.trim().toLowerCase())
    .filter((name) => name !== "");
  if (!allowed.has("*") && requested.some((name) => !allowed.has(name))) {
    return refused("cors_header_not_allowed", "A header is not allowed for this origin");
  }
  const headers = [
    "access-control-allow-origin",
    group.origins.includes("*") ? "*" : origin,
    "access-control-allow-methods",
    group.methods.join(", "),
    "access-control-max-age",
    String(configuration.maxAgeSeconds),
    "vary",
    "Origin, Access-Control-Request-Method, Access-Control-Request-Headers",
  ];
  if (configuration.credentials) headers.push("access-control-allow-credentials", "true");
  if (group.headers.length > 0) headers.push("access-control-allow-headers", group.headers.join(", "));
  return answer({ status: 204, reason: "cors_preflight", headers });
}
