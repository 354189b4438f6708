import { expect, test } from "vitest";
import {
  aContract,
  anExchange,
  createPolicy,
  createTestContext,
  createTestServices,
  problemsOf,
  verdictOf,
} from "../../testing/harness.ts";
import { createServerOfJson, type ServerOfJson } from "../../testing/server-of-json.ts";
import { nowSeconds } from "../../testing/token-fixture.ts";
import { oauth2Introspection } from "./oauth2-introspection.ts";

const configuration = {
  endpoint: "https://issuer.example.com/introspect",
  clientId: "gate way",
  clientSecret: "s:3/cret",
};

async function ask(
  answer: ServerOfJson["answer"],
  overrides: Record<string, unknown> = {},
  context = createTestContext(),
) {
  const server = createServerOfJson(answer);
  const services = createTestServices({ fetch: server.fetch });
  const policy = await createPolicy(oauth2Introspection, { ...configuration, ...overrides }, { services, context });
  const start = (token: string) => policy.onRequest(anExchange({ headers: { authorization: `Bearer ${token}` } }));
  return { server, services, start, send: async (token: string) => verdictOf(await start(token)) };
}

const active =
  (claims: Record<string, unknown> = {}) =>
  () => ({ json: { active: true, ...claims } });
const inactive = () => ({ json: { active: false } });

test("the endpoint is asked with the token in the form and our credentials, form-encoded, in the header", async () => {
  const { server, send } = await ask(active());
  expect(await send("t~1")).toBe("pass");
  const [request] = server.requests;
  expect(request).toMatchObject({
    method: "POST",
    url: configuration.endpoint,
    body: "token=t%7E1&token_type_hint=access_token",
  });
  expect(Buffer.from(request?.headers["authorization"]?.slice(6) ?? "", "base64").toString()).toBe(
    "gate+way:s%3A3%2Fcret",
  );
});

test("our credentials go into the form where that is configured, and then not into the header", async () => {
  const { server, send } = await ask(active(), { authentication: "post" });
  await send("t");
  expect(server.requests[0]?.body).toContain("client_id=gate+way&client_secret=s%3A3%2Fcret");
  expect(server.requests[0]?.headers["authorization"]).toBeUndefined();
});

test.each<[string, ServerOfJson["answer"]]>([
  [
    "broken connection",
    () => {
      throw new Error("reset");
    },
  ],
  ["status 500", () => ({ status: 500, json: { active: true } })],
  ["status 401: our own credentials are refused", () => ({ status: 401, json: { active: true } })],
  ["a redirect", () => ({ status: 302, json: { active: true } })],
  ["no JSON", () => ({ json: "<html>" })],
  ["a list", () => ({ json: [{ active: true }] })],
  ["null", () => ({ json: "null" })],
  ["no `active`", () => ({ json: { sub: "ann" } })],
  ["`active` as a text", () => ({ json: { active: "true" } })],
  ["`active` as a number", () => ({ json: { active: 1 } })],
])("fails closed with 503, remembers nothing and tells the operator: %s", async (_what, answer) => {
  const { server, services, send } = await ask(answer);
  expect(await send("t")).toBe("503 token_check_unavailable");
  expect(services.alarms.map(({ code }) => code)).toStrictEqual(["INTROSPECTION_FAILED"]);
  expect(JSON.stringify(services.alarms)).not.toContain("s:3/cret");
  server.answer = active();
  expect(await send("t")).toBe("pass");
});

test("a good answer is remembered for the TTL", async () => {
  const { server, services, start, send } = await ask(active());
  expect(await send("t")).toBe("pass");
  services.clock.advance(59_999);
  expect(start("t")).toBeUndefined();
  server.answer = inactive;
  services.clock.advance(1);
  expect(await send("t")).toBe("401 token_invalid");
});

test("a good answer is not remembered beyond its exp", async () => {
  const { server, services, start, send } = await ask(active({ exp: nowSeconds + 10 }));
  expect(await send("t")).toBe("pass");
  services.clock.advance(9999);
  expect(start("t")).toBeUndefined();
  server.answer = inactive;
  services.clock.advance(1);
  expect(await send("t")).toBe("401 token_invalid");
});

test("a negative answer is remembered for seconds only", async () => {
  const { server, services, send } = await ask(inactive);
  expect(await send("t")).toBe("401 token_invalid");
  server.answer = active();
  expect(await send("t")).toBe("401 token_invalid");
  services.clock.advance(5000);
  expect(await send("t")).toBe("pass");
  expect(server.requests).toHaveLength(2);
});

test("many requests with one token ask once", async () => {
  const { server, send } = await ask(active());
  expect(new Set(await Promise.all(Array.from({ length: 20 }, () => send("t"))))).toStrictEqual(new Set(["pass"]));
  expect(server.requests).toHaveLength(1);
});

test("more questions than may wait are answered 503", async () => {
  const { send } = await ask(active());
  const verdicts = await Promise.all(Array.from({ length: 300 }, (_, index) => send(`t${index}`)));
  expect(verdicts.filter((verdict) => verdict === "pass")).toHaveLength(288);
  expect(verdicts.filter((verdict) => verdict === "503 token_check_busy")).toHaveLength(12);
});

test.each<[string, Record<string, unknown>, Record<string, unknown>, string]>([
  ["expired though active", { exp: nowSeconds - 31 }, {}, "401 token_expired"],
  ["exp that is a text", { exp: "later" }, {}, "401 token_invalid"],
  ["not yet valid", { nbf: nowSeconds + 60 }, {}, "401 token_invalid"],
  ["all scopes", { scope: "a b c" }, { scopes: ["a", "c"] }, "pass"],
  ["a scope too few", { scope: "a b c" }, { scopes: ["a", "d"] }, "403 token_scope_missing"],
  ["no scopes at all", {}, { scopes: ["a"] }, "403 token_scope_missing"],
  ["the audience", { aud: ["x", "orders"] }, { audiences: ["orders"] }, "pass"],
  ["another audience", { aud: "x" }, { audiences: ["orders"] }, "401 token_invalid"],
  ["no issuer", {}, { issuers: ["https://i"] }, "401 token_invalid"],
  ["another issuer", { iss: "https://j" }, { issuers: ["https://i"] }, "401 token_invalid"],
])("an active token with %s", async (_what, claims, overrides, verdict) => {
  const { send } = await ask(active(claims), overrides);
  expect(await send("t")).toBe(verdict);
});

test("the client of the token is the contract, a client without one is refused", async () => {
  const context = createTestContext({ contracts: [aContract("shop")] });
  const known = await ask(active({ client_id: "shop" }), { clientIdClaim: "client_id" }, context);
  expect(await known.send("t")).toBe("pass");
  const unknown = await ask(active({ client_id: "other" }), { clientIdClaim: "client_id" }, context);
  expect(await unknown.send("t")).toBe("403 client_without_contract");
});

test.each([
  [{ endpoint: "http://issuer.example.com/" }, "endpoint: must begin with https"],
  [{ endpoint: "https://user:pw@issuer.example.com/" }, "endpoint: must not hold credentials"],
  [{ clientSecret: "" }, "clientSecret"],
  [{ inactiveTtlSeconds: 11 }, "inactiveTtlSeconds"],
  [{ activeTtlSeconds: 301 }, "activeTtlSeconds"],
  [{ scopes: ["a b"] }, "scopes.0: must be one word"],
  [{ scopes: ['a"'] }, "scopes.0: must be one word"],
])("the schema refuses %j and names the field", (overrides, problem) => {
  const problems = problemsOf(oauth2Introspection, { ...configuration, ...overrides });
  expect(problems).toHaveLength(1);
  expect(problems[0]).toContain(problem);
});
