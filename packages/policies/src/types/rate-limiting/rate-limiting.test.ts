import { expect, test } from "vitest";
import type { Enforcement } from "../../pipeline/enforcement.ts";
import type { Reply } from "../../pipeline/reply.ts";
import {
  aContract,
  aResponse,
  anExchange,
  createPolicy,
  createTestContext,
  createTestServices,
  problemsOf,
  verdictOf,
  type TestRequest,
} from "../../testing/harness.ts";
import { rateLimiting } from "./rate-limiting.ts";

const start = Date.UTC(2026, 0, 1);

function aPolicy(configuration: unknown): Promise<Enforcement> {
  return createPolicy(rateLimiting, configuration);
}

/** Limits decide at once, so the reply is no promise. */
function judge(policy: Enforcement, request: TestRequest = {}): Reply | undefined {
  return policy.onRequest?.(anExchange({ nowMs: start, ...request })) as Reply | undefined;
}

function verdicts(policy: Enforcement, requests: readonly TestRequest[]): readonly string[] {
  return requests.map((request) => verdictOf(judge(policy, request)));
}

test("as many requests pass in a window as the limit says, and the next window begins anew", async () => {
  const policy = await aPolicy({ limits: [{ requests: 2, periodMs: 1_000 }] });
  const at = (nowMs: number): TestRequest => ({ nowMs: start + nowMs });
  expect(verdicts(policy, [at(0), at(500), at(999), at(1_000), at(1_500), at(1_999)])).toEqual([
    "pass",
    "pass",
    "429 rate_limited",
    "pass",
    "pass",
    "429 rate_limited",
  ]);
});

test("all limits hold, and what one refuses the others do not count", async () => {
  const policy = await aPolicy({
    limits: [
      { requests: 2, periodMs: 1_000 },
      { requests: 3, periodMs: 60_000 },
    ],
  });
  const at = (nowMs: number): TestRequest => ({ nowMs: start + nowMs });
  expect(verdicts(policy, [at(0), at(1), at(2), at(3), at(1_000), at(1_001), at(59_999), at(60_000)])).toEqual([
    "pass",
    "pass",
    "429 rate_limited",
    "429 rate_limited",
    "pass",
    "429 rate_limited",
    "429 rate_limited",
    "pass",
  ]);
});

test("a refusal says when to come back, in whole seconds", async () => {
  const policy = await aPolicy({ limits: [{ requests: 1, periodMs: 60_000 }] });
  judge(policy);
  const reply = judge(policy, { nowMs: start + 10_500 });
  expect(reply).toMatchObject({ status: 429, isViolation: true, policyName: "a policy" });
  expect(reply?.headers).toEqual(expect.arrayContaining(["retry-after", "50"]));
  expect(reply?.headers).not.toContain("x-ratelimit-limit");
});

test("tells clients how they stand against the tightest limit, on responses and refusals, if the operator wants it", async () => {
  const policy = await aPolicy({
    exposeHeaders: true,
    limits: [
      { requests: 5, periodMs: 1_000 },
      { requests: 3, periodMs: 60_000 },
    ],
  });
  const exchange = anExchange({ nowMs: start + 400 });
  expect(policy.onRequest?.(exchange)).toBeUndefined();
  const response = aResponse(200, { "X-RateLimit-Limit": "of the upstream" });
  policy.onResponse?.(exchange, response);
  expect(response.rawHeaders).toEqual([
    "x-ratelimit-limit",
    "3",
    "x-ratelimit-remaining",
    "2",
    "x-ratelimit-reset",
    "59600",
  ]);
  judge(policy);
  judge(policy);
  expect(judge(policy)?.headers).toEqual(
    expect.arrayContaining(["x-ratelimit-limit", "3", "x-ratelimit-remaining", "0", "x-ratelimit-reset", "60000"]),
  );
});

const one = { limits: [{ requests: 1, periodMs: 1_000 }] };

test.each<[string, unknown, readonly TestRequest[], readonly string[]]>([
  [
    "everybody together",
    { by: "api" },
    [{ clientAddress: "192.0.2.1" }, { clientAddress: "192.0.2.2" }],
    ["pass", "429"],
  ],
  [
    "addresses apart",
    { by: "client_address" },
    [{ clientAddress: "192.0.2.1" }, { clientAddress: "192.0.2.2" }, { clientAddress: "192.0.2.1" }],
    ["pass", "pass", "429"],
  ],
  [
    "an IPv6 /64 together, however it is written",
    { by: "client_address" },
    [
      { clientAddress: "2001:db8:0:1::1" },
      { clientAddress: "2001:0DB8::1:ffff:0:0:1" },
      { clientAddress: "2001:db8:0:2::1" },
    ],
    ["pass", "429", "pass"],
  ],
  [
    "IPv4 in IPv6 is IPv4",
    { by: "client_address" },
    [{ clientAddress: "192.0.2.1" }, { clientAddress: "::ffff:192.0.2.1" }],
    ["pass", "429"],
  ],
  [
    "values of a header apart, and those without together",
    { by: "header", name: "X-Tenant" },
    [{ headers: { "x-tenant": "a" } }, { headers: { "X-TENANT": "b" } }, { headers: { "x-tenant": "a" } }, {}, {}],
    ["pass", "pass", "429", "pass", "429"],
  ],
])("counts %s", async (_rule, key, requests, expected) => {
  const policy = await aPolicy({ ...one, key });
  expect(verdicts(policy, requests).map((verdict) => verdict.split(" ", 1)[0])).toEqual(expected);
});

test("counts client applications apart, and values of a claim", async () => {
  const byClient = await aPolicy({ ...one, key: { by: "client" } });
  const as = (clientId: string | undefined): string => {
    const exchange = anExchange({ nowMs: start });
    exchange.client = clientId === undefined ? undefined : aContract(clientId);
    return verdictOf(byClient.onRequest?.(exchange) as Reply | undefined);
  };
  expect([as("a"), as("b"), as("a"), as(undefined), as(undefined)]).toEqual([
    "pass",
    "pass",
    "429 rate_limited",
    "pass",
    "429 rate_limited",
  ]);
  const byClaim = await aPolicy({ ...one, key: { by: "claim", name: "sub" } });
  const of = (sub: unknown): string => {
    const exchange = anExchange({ nowMs: start });
    exchange.principal = { sub };
    return verdictOf(byClaim.onRequest?.(exchange) as Reply | undefined);
  };
  expect([of("x"), of(7), of("x"), of("7"), of({}), of([])]).toEqual([
    "pass",
    "pass",
    "429 rate_limited",
    "429 rate_limited",
    "pass",
    "429 rate_limited",
  ]);
});

test("the same policy in another thread, or compiled again, goes on counting where it stood", async () => {
  const services = createTestServices();
  const first = await createPolicy(rateLimiting, one, { services });
  const second = await createPolicy(rateLimiting, one, { services });
  const other = await createPolicy(rateLimiting, one, {
    services,
    context: { ...createTestContext(), policyId: "another policy" },
  });
  expect([verdictOf(judge(first)), verdictOf(judge(second)), verdictOf(judge(other))]).toEqual([
    "pass",
    "429 rate_limited",
    "pass",
  ]);
});

test.each([
  [{}, "limits"],
  [{ limits: [] }, "limits"],
  [{ limits: [{ requests: 0, periodMs: 1_000 }] }, "limits.0.requests"],
  [{ limits: [{ requests: 1.5, periodMs: 1_000 }] }, "limits.0.requests"],
  [{ limits: [{ requests: 1, periodMs: 999 }] }, "limits.0.periodMs"],
  [{ limits: [one.limits[0], one.limits[0]] }, "limits"],
  [{ ...one, key: { by: "query" } }, "key"],
  [{ ...one, key: { by: "header" } }, "key.name"],
  [{ ...one, key: { by: "header", name: "a b" } }, "key.name"],
  [{ ...one, window: "sliding" }, ""],
])("refuses the configuration %j at %s", (configuration, field) => {
  expect(problemsOf(rateLimiting, configuration)).toEqual([expect.stringMatching(new RegExp(`^${field}`))]);
});
