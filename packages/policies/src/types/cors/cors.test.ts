import { expect, test } from "vitest";
import type { Reply } from "../../pipeline/reply.ts";
import { aResponse, anExchange, createPolicy, problemsOf, verdictOf } from "../../testing/harness.ts";
import { headerValue } from "../../pipeline/header-list.ts";
import { cors } from "./cors.ts";

const app = "https://app.example.com";
const groups = [
  {
    origins: [app, "https://*.partner.example"],
    methods: ["GET", "PUT"],
    headers: ["X-Token"],
    exposedHeaders: ["X-Page"],
  },
  { origins: ["*"], methods: ["GET"], headers: ["*"] },
];
const onlyApp = { groups: [groups[0]] };

async function preflight(configuration: unknown, headers: Record<string, string>): Promise<Reply | undefined> {
  const policy = await createPolicy(cors, configuration);
  return policy.onRequest(
    anExchange({ method: "OPTIONS", headers: { "access-control-request-method": "GET", ...headers } }),
  );
}

async function respond(configuration: unknown, headers: Record<string, string>, upstream: Record<string, string> = {}) {
  const policy = await createPolicy(cors, configuration);
  const exchange = anExchange({ headers });
  const verdict = verdictOf(await policy.onRequest(exchange));
  const response = aResponse(200, upstream);
  policy.onResponse?.(exchange, response);
  return { verdict, headers: response.rawHeaders };
}

test("a preflight of an allowed origin is answered here, and is no violation", async () => {
  const reply = await preflight(onlyApp, { origin: app, "access-control-request-headers": "x-token" });
  expect(reply).toMatchObject({ status: 204, isViolation: false, body: undefined });
  expect(reply?.headers).toEqual([
    "access-control-allow-origin",
    app,
    "access-control-allow-methods",
    "GET, PUT",
    "access-control-max-age",
    "600",
    "vary",
    "Origin, Access-Control-Request-Method, Access-Control-Request-Headers",
    "access-control-allow-headers",
    "X-Token",
  ]);
});

test.each<[string, Record<string, string>, string]>([
  ["another origin", { origin: "https://evil.example" }, "403 origin_not_allowed"],
  ["the null origin", { origin: "null" }, "403 origin_not_allowed"],
  ["a host that ends alike", { origin: "https://evilapp.example.com" }, "403 origin_not_allowed"],
  ["another scheme", { origin: "http://app.example.com" }, "403 origin_not_allowed"],
  ["another port", { origin: `${app}:8443` }, "403 origin_not_allowed"],
  ["a host below the wildcard", { origin: "https://a.b.partner.example" }, "204 cors_preflight"],
  ["the wildcard's own host", { origin: "https://partner.example" }, "403 origin_not_allowed"],
  ["something else in the wildcard's place", { origin: "https://evil.com/.partner.example" }, "403 origin_not_allowed"],
  ["a port in the wildcard's place", { origin: "https://evil.com:1.partner.example" }, "403 origin_not_allowed"],
  [
    "a method that is not allowed",
    { origin: app, "access-control-request-method": "DELETE" },
    "403 cors_method_not_allowed",
  ],
  ["a method that is always allowed", { origin: app, "access-control-request-method": "POST" }, "204 cors_preflight"],
  [
    "a header that is not allowed",
    { origin: app, "access-control-request-headers": "x-token, x-other" },
    "403 cors_header_not_allowed",
  ],
  ["headers in any case", { origin: app, "access-control-request-headers": "X-TOKEN" }, "204 cors_preflight"],
])("a preflight of %s", async (_case, headers, verdict) => {
  expect(verdictOf(await preflight(onlyApp, headers))).toBe(verdict);
});

test("a request of an allowed origin gets its headers, in place of what the upstream said", async () => {
  const { verdict, headers } = await respond(
    onlyApp,
    { origin: app },
    { "Access-Control-Allow-Origin": "*", "access-control-allow-credentials": "true", vary: "Accept" },
  );
  expect(verdict).toBe("pass");
  expect(headers).toEqual([
    "vary",
    "Accept, Origin",
    "access-control-allow-origin",
    app,
    "access-control-expose-headers",
    "X-Page",
  ]);
});

test("a request of another origin passes without CORS headers, or is refused if the operator says so", async () => {
  const passed = await respond(onlyApp, { origin: "https://evil.example" }, { "access-control-allow-origin": "*" });
  expect(passed).toEqual({ verdict: "pass", headers: ["vary", "Origin"] });
  const refused = await respond({ ...onlyApp, otherOrigins: "refuse" }, { origin: "https://evil.example" });
  expect(refused.verdict).toBe("403 origin_not_allowed");
});

test("a request without an origin passes, and caches keep it apart", async () => {
  expect(await respond({ ...onlyApp, otherOrigins: "refuse" }, {})).toEqual({
    verdict: "pass",
    headers: ["vary", "Origin"],
  });
});

test("everybody may call what is public, and credentials come with named origins only", async () => {
  const open = await respond({ groups: [{ origins: ["*"] }] }, { origin: "https://anybody.example" });
  expect(open.headers).toEqual(["access-control-allow-origin", "*"]);
  const named = await respond({ ...onlyApp, credentials: true }, { origin: app });
  expect(headerValue(named.headers, "access-control-allow-credentials")).toBe("true");
  expect(headerValue(named.headers, "access-control-allow-origin")).toBe(app);
});

test("the first group with an origin counts", async () => {
  const first = await respond({ groups }, { origin: app });
  expect(headerValue(first.headers, "access-control-allow-origin")).toBe(app);
  const second = await respond({ groups }, { origin: "https://anybody.example" });
  expect(headerValue(second.headers, "access-control-allow-origin")).toBe("*");
});

test("OPTIONS without a requested method is a request like any other", async () => {
  const policy = await createPolicy(cors, onlyApp);
  expect(await policy.onRequest(anExchange({ method: "OPTIONS", headers: { origin: app } }))).toBeUndefined();
});

test.each([
  [{ groups: [{ origins: ["*"] }], credentials: true }, "groups.0.origins"],
  [{ groups: [{ origins: [app], headers: ["*"] }], credentials: true }, "groups.0.headers"],
  [{ groups: [] }, "groups"],
  [{ groups: [{ origins: [] }] }, "groups.0.origins"],
  [{ groups: [{ origins: ["https://*"] }] }, "groups.0.origins.0"],
  [{ groups: [{ origins: ["https://a.*.com"] }] }, "groups.0.origins.0"],
  [{ groups: [{ origins: ["app.example.com"] }] }, "groups.0.origins.0"],
  [{ groups: [{ origins: ["https://app.example.com/"] }] }, "groups.0.origins.0"],
  [{ groups: [{ origins: [app], methods: ["get"] }] }, "groups.0.methods.0"],
])("refuses the configuration %j at %s", (configuration, field) => {
  expect(problemsOf(cors, configuration)).toEqual([expect.stringMatching(new RegExp(`^${field}`))]);
});
