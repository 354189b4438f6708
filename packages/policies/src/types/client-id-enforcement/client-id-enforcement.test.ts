import { hash } from "node:crypto";
import { expect, test } from "vitest";
import type { ClientContract, ContractSet } from "../../contracts/contract-set.ts";
import type { Enforcement } from "../../pipeline/enforcement.ts";
import {
  aContract,
  anExchange,
  createPolicy,
  createTestContext,
  problemsOf,
  verdictOf,
  type TestRequest,
} from "../../testing/harness.ts";
import type { PolicyContext } from "../../policy-type.ts";
import { clientIdEnforcement } from "./client-id-enforcement.ts";

const start = Date.UTC(2026, 0, 1);
const digest = (secret: string, notAfterMs?: number) => ({ sha256: hash("sha256", secret, "buffer"), notAfterMs });
const alice = aContract("alice", { secrets: [digest("wonderland")] });
const bob = aContract("bob", { secrets: [digest("old", start + 1_000), digest("new")] });

async function judge(policy: Enforcement, request: TestRequest): Promise<string> {
  return verdictOf(await policy.onRequest?.(anExchange(request)));
}

function aSet(...contracts: ClientContract[]): ContractSet {
  const byId = new Map(contracts.map((contract) => [contract.clientId, contract]));
  return { count: byId.size, find: (clientId) => byId.get(clientId) };
}

function policyWith(configuration: unknown, contracts: readonly ClientContract[] = [alice, bob]): Promise<Enforcement> {
  return createPolicy(clientIdEnforcement, configuration, { context: createTestContext({ contracts }) });
}

const basic = (text: string): Record<string, string> => ({
  authorization: `Basic ${Buffer.from(text).toString("base64")}`,
});

test.each<[string, TestRequest, string]>([
  ["right", { headers: { client_id: "alice", client_secret: "wonderland" } }, "pass"],
  ["header names in any case", { headers: { Client_Id: "alice", CLIENT_SECRET: "wonderland" } }, "pass"],
  ["another's secret", { headers: { client_id: "alice", client_secret: "new" } }, "401 client_credentials_invalid"],
  [
    "no such client",
    { headers: { client_id: "carol", client_secret: "wonderland" } },
    "401 client_credentials_invalid",
  ],
  ["no credentials", {}, "401 client_credentials_missing"],
  ["no secret", { headers: { client_id: "alice" } }, "401 client_credentials_missing"],
  ["an empty secret", { headers: { client_id: "alice", client_secret: "" } }, "401 client_credentials_missing"],
  ["an empty id", { headers: { client_id: "", client_secret: "wonderland" } }, "401 client_credentials_missing"],
  [
    "two ids",
    { headers: { client_id: ["alice", "bob"], client_secret: "wonderland" } },
    "401 client_credentials_invalid",
  ],
  ["a very long id", { headers: { client_id: "a".repeat(300), client_secret: "x" } }, "401 client_credentials_missing"],
  [
    "the digest itself",
    { headers: { client_id: "alice", client_secret: hash("sha256", "wonderland") } },
    "401 client_credentials_invalid",
  ],
  ["credentials in the query", { query: "client_id=alice&client_secret=wonderland" }, "401 client_credentials_missing"],
])("credentials in headers: %s", async (_case, request, verdict) => {
  expect(await judge(await policyWith({}), request)).toBe(verdict);
});

test.each<[string, TestRequest, string]>([
  ["right", { headers: basic("alice:wonderland") }, "pass"],
  ["a colon in the secret belongs to it", { headers: basic("alice:wonder:land") }, "401 client_credentials_invalid"],
  ["another scheme", { headers: { authorization: "Bearer abc" } }, "401 client_credentials_missing"],
  ["no colon", { headers: basic("alice") }, "401 client_credentials_missing"],
  ["no base64", { headers: { authorization: "Basic %%%" } }, "401 client_credentials_missing"],
])("HTTP Basic: %s", async (_case, request, verdict) => {
  expect(await judge(await policyWith({ credentials: { source: "basic" } }), request)).toBe(verdict);
});

test.each<[string, string, string]>([
  ["right", "a=1&client_id=alice&client_secret=wonderland", "pass"],
  ["escaped", "client_id=%61lice&client_secret=wonder%6Cand", "pass"],
  ["twice", "client_id=alice&client_id=bob&client_secret=wonderland", "401 client_credentials_missing"],
  ["badly escaped", "client_id=%zz&client_secret=wonderland", "401 client_credentials_missing"],
  ["none", "", "401 client_credentials_missing"],
])("parameters of the query: %s", async (_case, query, verdict) => {
  expect(await judge(await policyWith({ credentials: { source: "query" } }), { query })).toBe(verdict);
});

test("names the client for later policies, and takes the secret off the request", async () => {
  const policy = await policyWith({});
  const exchange = anExchange({ headers: { client_id: "alice", client_secret: "wonderland", accept: "*/*" } });
  expect(policy.onRequest?.(exchange)).toBeUndefined();
  expect(exchange.client).toBe(alice);
  expect(exchange.rawHeaders).toEqual(["client_id", "alice", "accept", "*/*"]);
});

test("leaves the secret on the request if the operator says so", async () => {
  const policy = await policyWith({ keepSecret: true, credentials: { source: "basic" } });
  const exchange = anExchange({ headers: basic("alice:wonderland") });
  expect(policy.onRequest?.(exchange)).toBeUndefined();
  expect(exchange.header("authorization")).toBeDefined();
});

test("trusts the id alone if the operator says so, and only ids with a contract", async () => {
  const policy = await policyWith({ check: "id_only" });
  expect(await judge(policy, { headers: { client_id: "alice" } })).toBe("pass");
  expect(await judge(policy, { headers: { client_id: "carol" } })).toBe("401 client_credentials_invalid");
});

test("both secrets of a rotation are valid, the old one up to but not including its last instant", async () => {
  const policy = await policyWith({});
  const at = (secret: string, nowMs: number) =>
    judge(policy, { nowMs, headers: { client_id: "bob", client_secret: secret } });
  expect(await at("old", start)).toBe("pass");
  expect(await at("old", start + 999)).toBe("pass");
  expect(await at("old", start + 1_000)).toBe("401 client_credentials_invalid");
  expect(await at("new", start + 1_000)).toBe("pass");
});

test("a contract that is revoked is refused at the next request, also if it was found valid before", async () => {
  const directory = { current: aSet(alice, bob) };
  const context: PolicyContext = { ...createTestContext(), contracts: directory };
  const policy = await createPolicy(clientIdEnforcement, {}, { context });
  const request = { headers: { client_id: "alice", client_secret: "wonderland" } };
  expect(await judge(policy, request)).toBe("pass");
  directory.current = aSet(bob);
  expect(await judge(policy, request)).toBe("401 client_credentials_invalid");
  directory.current = aSet(aContract("alice", { secrets: [digest("another")] }));
  expect(await judge(policy, request)).toBe("401 client_credentials_invalid");
});

test("a client that is valid is looked up once while the contracts stay the same", async () => {
  let lookups = 0;
  const inner = aSet(alice);
  const current: ContractSet = {
    count: 1,
    find: (clientId) => {
      lookups += 1;
      return inner.find(clientId);
    },
  };
  const policy = await createPolicy(
    clientIdEnforcement,
    {},
    { context: { ...createTestContext(), contracts: { current } } },
  );
  for (let one = 0; one < 5; one += 1)
    await judge(policy, { headers: { client_id: "alice", client_secret: "wonderland" } });
  expect(lookups).toBe(1);
  for (let one = 0; one < 5; one += 1) await judge(policy, { headers: { client_id: "alice", client_secret: "wrong" } });
  expect(lookups).toBe(6);
});

test("refusals say how to authenticate, and not whether the client exists", async () => {
  const policy = await policyWith({ credentials: { source: "basic" } });
  const wrong = await policy.onRequest?.(anExchange({ headers: basic("alice:x") }));
  const unknown = await policy.onRequest?.(anExchange({ headers: basic("nobody:x") }));
  expect(wrong).toEqual(unknown);
  expect(wrong?.headers).toEqual(expect.arrayContaining(["www-authenticate", 'Basic realm="api", charset="UTF-8"']));
  expect(JSON.parse(String(wrong?.body))).toEqual({
    type: "urn:drawbridge:error:CLIENT_CREDENTIALS_INVALID",
    title: "Client credentials are not valid for this API",
    status: 401,
    instance: "request-1",
  });
});

test.each([
  [
    { credentials: { source: "headers", clientIdHeader: "x-id", clientSecretHeader: "X-ID" } },
    "credentials.clientSecretHeader",
  ],
  [{ credentials: { source: "headers", clientIdHeader: "host" } }, "credentials.clientIdHeader"],
  [{ credentials: { source: "headers", clientIdHeader: "a b" } }, "credentials.clientIdHeader"],
  [
    { credentials: { source: "query", clientIdParameter: "a", clientSecretParameter: "a" } },
    "credentials.clientSecretParameter",
  ],
  [{ credentials: { source: "cookie" } }, "credentials"],
  [{ check: "none" }, "check"],
  [{ verify: true }, ""],
])("refuses the configuration %j at %s", (configuration, field) => {
  expect(problemsOf(clientIdEnforcement, configuration).map((problem) => problem.split(":", 1)[0])).toEqual(
    expect.arrayContaining([expect.stringContaining(field)]),
  );
});
