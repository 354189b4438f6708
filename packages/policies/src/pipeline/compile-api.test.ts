import { hash } from "node:crypto";
import { expect, test } from "vitest";
import type { Contract } from "@drawbridge/contracts/apis/v1/configuration";
import { apiSources, type TestApi } from "../testing/documents.ts";
import { anExchange, createTestServices, verdictOf } from "../testing/harness.ts";
import { compileApi } from "./compile-api.ts";
import type { CompiledApi } from "./compiled-api.ts";

const headerPolicy = (name: string, extra: object = {}) => ({
  type: "header-injection",
  name,
  configuration: { inbound: [{ name: "x-order", value: name }] },
  ...extra,
});
const limit = { type: "rate-limiting", name: "limit", configuration: { limits: [{ requests: 1, periodMs: 1_000 }] } };

async function usable(api: TestApi, previous?: CompiledApi): Promise<CompiledApi> {
  const services = createTestServices();
  const result = await compileApi(apiSources(api), { services, ...(previous && { previous }) });
  if (result.outcome === "unusable") throw new Error(JSON.stringify(result.problems));
  return result.api;
}

async function problemsOf(api: TestApi): Promise<readonly string[]> {
  const services = createTestServices();
  const result = await compileApi(apiSources(api), { services });
  if (result.outcome === "usable") return [];
  return result.problems.map(({ policyId, policyName, field, message }) => {
    expect(policyId).toBe(`id of ${policyName}`);
    return `${policyName} | ${field} | ${message}`;
  });
}

test("an API without policies is usable: known to be empty is not unknown", async () => {
  const api = await usable({});
  expect(api.pipeline("GET", "/").length).toBe(0);
  expect(api).toMatchObject({ apiId: "api-1", name: "orders", revision: 1n, requiresContracts: false });
});

test("CORS comes first, then automated policies, then the API's own, each by its order", async () => {
  const api = await usable({
    policies: [
      headerPolicy("own 2", { order: 2 }),
      headerPolicy("automated 2", { order: 2, automated: true }),
      headerPolicy("own 1", { order: 1 }),
      headerPolicy("automated 1", { order: 1, automated: true }),
      { type: "cors", order: 9, configuration: { groups: [{ origins: ["*"] }] } },
    ],
  });
  const seen: string[] = [];
  const exchange = anExchange({ method: "GET" });
  exchange.setHeader = (_name, value) => void seen.push(value);
  void api.pipeline("GET", "/").onRequest(exchange);
  expect(seen).toEqual(["automated 1", "automated 2", "own 1", "own 2"]);
});

test("one policy that cannot be enforced makes the API unusable, and every such policy is named with field and reason (GK 4)", async () => {
  expect(
    await problemsOf({
      policies: [
        headerPolicy("good"),
        { ...limit, name: "no limits", configuration: { limits: [] } },
        { ...limit, name: "slow", configuration: { limits: [{ requests: 0, periodMs: 1_000 }] } },
        { ...limit, name: "typo", configuration: { limitz: [], limits: [{ requests: 1, periodMs: 1_000 }] } },
        { type: "no-such-type", name: "unknown" },
        headerPolicy("never", { conditions: [{ methods: "GET", path: { $case: "regularExpression", value: "(" } }] }),
        headerPolicy("empty", { conditions: [{ methods: "GET", path: undefined }] }),
        headerPolicy("asset", { assets: [Buffer.alloc(32, 1)] }),
        {
          type: "cors",
          name: "cors",
          configuration: { groups: [{ origins: ["*"] }] },
          conditions: [{ methods: "*", path: { $case: "uriTemplate", value: "/" } }],
        },
      ],
    }),
  ).toEqual([
    expect.stringMatching(/^cors \| conditions \| .*whole API/),
    "no limits | limits | must have at least 1 items",
    "slow | limits[0].requests | must be at least 1",
    "typo | limitz | is no field of this policy type",
    'unknown |  | there is no policy type "no-such-type"',
    expect.stringMatching(/^never \| conditions\[0\]\.regularExpression \| is no regular expression of RE2/),
    expect.stringMatching(/^empty \| conditions\[0\] \| names no path/),
    `asset | assets | missing: ${"01".repeat(32)}`,
  ]);
});

test("a configuration that is no JSON is a problem of its policy (GK 4)", async () => {
  const sources = apiSources({ policies: [headerPolicy("broken")] });
  const [policy] = sources.document.policies;
  if (policy) policy.configurationJson = "{";
  const result = await compileApi(sources, { services: createTestServices() });
  expect(result).toMatchObject({
    outcome: "unusable",
    problems: [{ policyName: "broken", message: "the configuration is no JSON" }],
  });
});

test("more than 64 policies are refused", async () => {
  const policies = Array.from({ length: 65 }, (_, index) => headerPolicy(`p${index}`));
  const result = await compileApi(apiSources({ policies }), { services: createTestServices() });
  expect(result).toMatchObject({ outcome: "unusable", problems: [{ message: "more than 64 policies" }] });
});

test("policies apply where one of their conditions matches, and to everything without one", async () => {
  const on = (methods: string, value: string) => ({ methods, path: { $case: "uriTemplate" as const, value } });
  const api = await usable({
    policies: [
      headerPolicy("always"),
      headerPolicy("orders", { conditions: [on("GET", "/orders"), on("GET|PUT", "/orders/{id}")] }),
      headerPolicy("put", { conditions: [on("PUT", "/orders/{id}")] }),
    ],
  });
  const applied = (method: string, path: string): number => api.pipeline(method, path).length;
  expect(applied("GET", "/health")).toBe(1);
  expect(applied("GET", "/orders")).toBe(2);
  expect(applied("POST", "/orders")).toBe(1);
  expect(applied("PUT", "/orders/1")).toBe(3);
  expect(api.pipeline("PUT", "/orders/1")).toBe(api.pipeline("PUT", "/orders/2"));
});

test("results of matching are forgotten before they fill the memory", async () => {
  const condition = { methods: "*", path: { $case: "uriTemplate" as const, value: "/orders/{id}" } };
  const api = await usable({ policies: [headerPolicy("one", { conditions: [condition] })] });
  for (let one = 0; one < 10_000; one += 1) expect(api.pipeline("GET", `/orders/${one}`).length).toBe(1);
  expect(api.pipeline("GET", `/orders/${"x".repeat(8_000)}`).length).toBe(1);
  expect(api.pipeline("GET", "/other").length).toBe(0);
});

const secretOf = (clientId: string): string => `secret of ${clientId}`;
const aWireContract = (clientId: string): Contract => ({
  contractId: `contract ${clientId}`,
  clientId,
  clientName: clientId,
  secrets: [{ sha256: hash("sha256", secretOf(clientId), "buffer") }],
  tierId: "",
});
const call = (api: CompiledApi, clientId: string): string =>
  // No policy of these APIs waits for anything.
  verdictOf(
    api
      .pipeline("GET", "/")
      .onRequest(anExchange({ headers: { client_id: clientId, client_secret: secretOf(clientId) } })) as never,
  );

test("a change of contracts alone takes force in what is enforced, and keeps its counters and queues", async () => {
  const policies = [
    { type: "client-id-enforcement" },
    { ...limit, configuration: { limits: [{ requests: 2, periodMs: 1_000 }] } },
  ];
  const first = await usable({ policies, contracts: [aWireContract("alice"), aWireContract("bob")] });
  expect(first.requiresContracts).toBe(true);
  expect([call(first, "alice"), call(first, "bob"), call(first, "carol")]).toEqual([
    "pass",
    "pass",
    "401 client_credentials_invalid",
  ]);
  const second = await usable(
    { policies, contracts: [aWireContract("bob"), aWireContract("carol")], revision: 2n },
    first,
  );
  expect(second).toBe(first);
  expect(second).toMatchObject({ revision: 2n, contractCount: 2 });
  expect(call(second, "alice")).toBe("401 client_credentials_invalid");
  expect(call(second, "carol")).toBe("429 rate_limited");
});

test("a change of a policy or tier is a new compilation", async () => {
  const first = await usable({ policies: [headerPolicy("one")] });
  expect(await usable({ policies: [headerPolicy("two")] }, first)).not.toBe(first);
  const tiers = [{ tierId: "t", name: "gold", limits: [{ requests: 1n, periodMs: 1_000n }] }];
  expect(await usable({ policies: [headerPolicy("one")], tiers }, first)).not.toBe(first);
  expect(await usable({ policies: [headerPolicy("one")] }, first)).toBe(first);
});

test("a tier without limits is a problem of the policy that needs it (GK 4)", async () => {
  const tiers = [{ tierId: "t", name: "gold", limits: [] }];
  expect(await problemsOf({ policies: [{ type: "sla-rate-limiting" }], tiers })).toEqual([
    'sla-rate-limiting |  | the SLA tier "gold" has no limits',
  ]);
});
