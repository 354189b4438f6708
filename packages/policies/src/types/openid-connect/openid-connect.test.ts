import { exportJWK } from "jose";
import { expect, test } from "vitest";
import { anExchange, createPolicy, createTestServices, problemsOf, verdictOf } from "../../testing/harness.ts";
import { createServerOfJson } from "../../testing/server-of-json.ts";
import { aToken, audience, es256, goodClaims, issuer, keyPair } from "../../testing/token-fixture.ts";
import { openidConnect } from "./openid-connect.ts";

const configuration = { issuer, audiences: [audience], check: { by: "signature", algorithms: ["ES256"] } };
const introspection = { check: { by: "introspection", clientId: "gateway", clientSecret: "secret" } };

/** An issuer: its configuration, its keys and its introspection endpoint. */
async function discover(overrides: Record<string, unknown> = {}) {
  const jwks = { keys: [await exportJWK(es256.publicKey)] };
  const state = {
    metadata: {
      issuer,
      jwks_uri: "https://keys.example.com/jwks",
      introspection_endpoint: "https://issuer.example.com/introspect",
    } as Record<string, unknown>,
    jwks: new Map<string, unknown>([["https://keys.example.com/jwks", jwks]]),
    active: true,
  };
  const server = createServerOfJson(({ url }) => {
    if (url.endsWith("/.well-known/openid-configuration")) return { json: state.metadata };
    if (url.endsWith("/introspect")) return { json: { active: state.active, aud: audience, exp: goodClaims.exp } };
    const keys = state.jwks.get(url);
    return keys === undefined ? { status: 404, json: {} } : { json: keys };
  });
  const services = createTestServices({ fetch: server.fetch });
  const policy = await createPolicy(openidConnect, { ...configuration, ...overrides }, { services });
  const send = async (token: string) =>
    verdictOf(await policy.onRequest(anExchange({ headers: { authorization: `Bearer ${token}` } })));
  return { state, server, services, send };
}

test("the issuer's keys are found by its configuration, once for all requests", async () => {
  const { server, send } = await discover();
  const token = await aToken();
  expect(await Promise.all([send(token), send(token), send(token)])).toStrictEqual(["pass", "pass", "pass"]);
  expect(server.requests.map(({ url }) => url)).toStrictEqual([
    "https://issuer.example.com/.well-known/openid-configuration",
    "https://keys.example.com/jwks",
  ]);
  expect(await send(await aToken(goodClaims, {}, keyPair("ES256").privateKey))).toBe("401 token_invalid");
});

test.each<[string, unknown]>([
  ["names another issuer", "https://evil.example.com"],
  ["names the issuer with a slash more", `${issuer}/`],
  ["names no issuer", undefined],
  ["names a list of issuers", [issuer]],
])("a configuration that %s counts as none: 503", async (_what, named) => {
  const { state, services, send } = await discover();
  state.metadata["issuer"] = named;
  expect(await send(await aToken())).toBe("503 token_check_unavailable");
  state.metadata["issuer"] = issuer;
  services.clock.advance(2000);
  expect(await send(await aToken())).toBe("pass");
});

test.each<[string, unknown]>([
  ["plain http", "http://keys.example.com/jwks"],
  ["a file", "file:///etc/keys"],
  ["no text", 7],
  ["nothing", undefined],
])("keys at an address that is %s are not fetched: 503", async (_what, address) => {
  const { state, server, send } = await discover();
  state.metadata["jwks_uri"] = address;
  expect(await send(await aToken())).toBe("503 token_check_unavailable");
  expect(server.requests).toHaveLength(1);
});

test("a token of another issuer is refused although a key of this one signed it", async () => {
  const { send } = await discover();
  expect(await send(await aToken({ ...goodClaims, iss: "https://other.example.com" }))).toBe("401 token_invalid");
});

test("when the issuer moves its keys the new ones are used", async () => {
  const { state, services, send } = await discover();
  expect(await send(await aToken())).toBe("pass");
  const next = keyPair("ES256");
  state.metadata["jwks_uri"] = "https://keys.example.com/new";
  state.jwks.set("https://keys.example.com/new", { keys: [await exportJWK(next.publicKey)] });
  services.clock.advance(600_000);
  // Fetched beside this request.
  await send(await aToken());
  expect(await send(await aToken(goodClaims, {}, next.privateKey))).toBe("pass");
  expect(await send(await aToken())).toBe("401 token_invalid");
});

test("with introspection the endpoint that the configuration names is asked", async () => {
  const { state, server, services, send } = await discover(introspection);
  expect(await send("opaque")).toBe("pass");
  expect(server.requests.at(-1)).toMatchObject({ method: "POST", url: "https://issuer.example.com/introspect" });
  state.active = false;
  services.clock.advance(60_000);
  expect(await send("opaque")).toBe("401 token_invalid");
});

test("with introspection and no endpoint in the configuration: 503", async () => {
  const { state, send } = await discover(introspection);
  delete state.metadata["introspection_endpoint"];
  expect(await send("opaque")).toBe("503 token_check_unavailable");
});

test("the configuration of an issuer with a path is below that path", async () => {
  const { server, send } = await discover({ issuer: "https://issuer.example.com/tenant/" });
  await send(await aToken());
  expect(server.requests[0]?.url).toBe("https://issuer.example.com/tenant/.well-known/openid-configuration");
});

test.each([
  [{ issuer: "http://issuer.example.com" }, "issuer: must begin with https"],
  [{ issuer: "https://issuer.example.com/?a=b" }, "issuer: must not have a query"],
  [{ issuer: "issuer" }, "issuer: is no URL"],
  [{ audiences: [] }, "audiences: must name an audience"],
  [{ check: { by: "signature", algorithms: ["none"] } }, "check.algorithms.0"],
  [{ check: { by: "introspection", clientId: "a" } }, "check.clientSecret"],
  [{ ...introspection, tokenType: "at+jwt" }, "tokenType: must be absent"],
])("the schema refuses %j and names the field", (overrides, problem) => {
  const problems = problemsOf(openidConnect, { ...configuration, ...overrides });
  expect(problems).toHaveLength(1);
  expect(problems[0]).toContain(problem);
});
