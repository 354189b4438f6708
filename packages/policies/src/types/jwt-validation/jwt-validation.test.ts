import { randomBytes } from "node:crypto";
import { CompactSign, SignJWT, type JWTPayload } from "jose";
import { expect, test } from "vitest";
import { publicKeyAlgorithms } from "./algorithms.ts";
import {
  aContract,
  anExchange,
  createPolicy,
  createTestContext,
  problemsOf,
  verdictOf,
} from "../../testing/harness.ts";
import {
  aToken,
  audience,
  es256,
  goodClaims,
  issuer,
  keyPair,
  nowSeconds,
  pairOf,
  pemOf,
  rawToken,
  staticConfiguration,
} from "../../testing/token-fixture.ts";
import { jwtValidation } from "./jwt-validation.ts";

async function judge(token: string, overrides: Record<string, unknown> = {}): Promise<string> {
  const policy = await createPolicy(jwtValidation, staticConfiguration(overrides));
  return verdictOf(await policy.onRequest(anExchange({ headers: { authorization: `Bearer ${token}` } })));
}

test.each(publicKeyAlgorithms)("a token signed with %s by another implementation passes", async (algorithm) => {
  const { publicKey, privateKey } = pairOf(algorithm);
  const token = await aToken(goodClaims, { alg: algorithm }, privateKey);
  const keys = { source: "static", keys: [{ pem: pemOf(publicKey) }] };
  expect(await judge(token, { algorithms: [algorithm], keys })).toBe("pass");
});

test.each(publicKeyAlgorithms)("a token of %s with one bit of its signature changed is refused", async (algorithm) => {
  const { publicKey, privateKey } = pairOf(algorithm);
  const token = await aToken(goodClaims, { alg: algorithm }, privateKey);
  const dot = token.lastIndexOf(".");
  const signature = Buffer.from(token.slice(dot + 1), "base64url");
  signature[10] = (signature[10] ?? 0) ^ 1;
  const keys = { source: "static", keys: [{ pem: pemOf(publicKey) }] };
  const changed = `${token.slice(0, dot)}.${signature.toString("base64url")}`;
  expect(await judge(changed, { algorithms: [algorithm], keys })).toBe("401 token_invalid");
});

test("an algorithm that is not on the list is refused although key and signature fit", async () => {
  const { publicKey, privateKey } = pairOf("PS256");
  const keys = { source: "static", keys: [{ pem: pemOf(publicKey) }] };
  const token = await aToken(goodClaims, { alg: "RS256" }, privateKey);
  expect(await judge(token, { algorithms: ["PS256"], keys })).toBe("401 token_invalid");
});

test("a key that is bound to one algorithm verifies no other, though the policy accepts both (RFC 8725, 3.1)", async () => {
  const { publicKey, privateKey } = pairOf("RS256");
  const keys = { source: "static", keys: [{ pem: pemOf(publicKey), algorithm: "RS256" }] };
  const accepts = { algorithms: ["RS256", "PS256"], keys };
  expect(await judge(await aToken(goodClaims, { alg: "RS256" }, privateKey), accepts)).toBe("pass");
  expect(await judge(await aToken(goodClaims, { alg: "PS256" }, privateKey), accepts)).toBe("401 token_invalid");
});

test("the public key is no HS256 secret: confusing the two is refused (RFC 8725, 2.1)", async () => {
  const { publicKey } = pairOf("RS256");
  const pem = pemOf(publicKey);
  const token = await new SignJWT(goodClaims).setProtectedHeader({ alg: "HS256" }).sign(Buffer.from(pem));
  expect(await judge(token, { algorithms: ["RS256"], keys: { source: "static", keys: [{ pem }] } })).toBe(
    "401 token_invalid",
  );
});

test.each(["none", "None", "NONE", "nOnE", "", "HS256", "ES256K", "constructor", "__proto__", "toString"])(
  "a token whose header says alg %j is refused",
  async (alg) => {
    expect(await judge(rawToken({ alg }, goodClaims))).toBe("401 token_invalid");
    const unsigned = rawToken({ alg }, goodClaims).replace(/[^.]+$/, "");
    expect(await judge(unsigned)).toBe("401 token_invalid");
  },
);

const header = { alg: "ES256" };
const malformed: readonly (readonly [string, string])[] = [
  ["one part", "abc"],
  ["two parts", "abc.def"],
  ["four parts", `${rawToken(header, goodClaims)}.x`],
  ["five parts, as of an encrypted one", "a.b.c.d.e"],
  ["no signature", rawToken(header, goodClaims).replace(/[^.]+$/, "")],
  ["no claims", rawToken(header, goodClaims).replace(/\.[^.]+\./, "..")],
  ["a header that is a list", rawToken([header], goodClaims)],
  ["a header that is null", rawToken("null", goodClaims)],
  ["a header that is no JSON", rawToken("{", goodClaims)],
  ["claims that are a list", rawToken(header, [goodClaims])],
  ["claims that are a text", rawToken(header, '"x"')],
  ["claims that are no JSON", rawToken(header, "{]")],
  [
    "claims that are no UTF-8",
    rawToken(header, goodClaims).replace(/\.[^.]+\./, `.${Buffer.from([0x22, 0xff, 0x22]).toString("base64url")}.`),
  ],
  ["deeply nested claims", rawToken(header, `${"[".repeat(5000)}${"]".repeat(5000)}`)],
  ["padding", `${rawToken(header, goodClaims)}==`],
  ["a critical extension", rawToken({ ...header, crit: ["exp"] }, goodClaims)],
  ["an unencoded payload (RFC 7797)", rawToken({ ...header, b64: false }, goodClaims)],
  ["a key id that is a number", rawToken({ ...header, kid: 1 }, goodClaims)],
  ["a type that is a list", rawToken({ ...header, typ: ["JWT"] }, goodClaims)],
  ["more than 16 KB", rawToken(header, { ...goodClaims, filling: "x".repeat(16_384) })],
  ["an exp that is a text", rawToken(header, { ...goodClaims, exp: String(nowSeconds + 60) })],
  ["an exp that is infinite", rawToken(header, JSON.stringify(goodClaims).replace(/"exp":\d+/, '"exp":1e999'))],
  ["an exp that is null", rawToken(header, { ...goodClaims, exp: null })],
  ["an nbf that is an object", rawToken(header, { ...goodClaims, nbf: {} })],
  ["an issuer that is a list", rawToken(header, { ...goodClaims, iss: [issuer] })],
  ["no issuer", rawToken(header, { ...goodClaims, iss: undefined })],
  ["another issuer", rawToken(header, { ...goodClaims, iss: `${issuer}/` })],
  ["another audience", rawToken(header, { ...goodClaims, aud: "billing" })],
  ["no audience", rawToken(header, { ...goodClaims, aud: undefined })],
  ["audiences, none of them ours", rawToken(header, { ...goodClaims, aud: ["billing", "", null, {}] })],
  ["no expiry", rawToken(header, { ...goodClaims, exp: undefined })],
  ["a signature by another key", rawToken(header, goodClaims, keyPair("ES256").privateKey)],
];

test.each(malformed)("a token with %s is refused, without a throw", async (_what, token) => {
  expect(await judge(token)).toBe("401 token_invalid");
});

test("random bytes in every part are refused, without a throw", async () => {
  const policy = await createPolicy(jwtValidation, staticConfiguration());
  for (let round = 0; round < 300; round += 1) {
    const parts = Array.from({ length: 3 }, () => randomBytes(1 + (round % 90)).toString("base64url"));
    const exchange = anExchange({ headers: { authorization: `Bearer ${parts.join(".")}` } });
    expect(verdictOf(await policy.onRequest(exchange))).toBe("401 token_invalid");
  }
});

test.each([
  ["exp just within the leeway", { exp: nowSeconds - 29 }, "pass"],
  ["exp at the end of the leeway", { exp: nowSeconds - 30 }, "401 token_expired"],
  ["nbf just within the leeway", { nbf: nowSeconds + 30 }, "pass"],
  ["nbf beyond the leeway", { nbf: nowSeconds + 31 }, "401 token_invalid"],
  ["one audience of several", { aud: ["billing", audience] }, "pass"],
  ["a fractional exp", { exp: nowSeconds + 0.5 }, "pass"],
])("a token with %s: %s", async (_what, claims, verdict) => {
  expect(await judge(rawToken(header, { ...goodClaims, ...claims }))).toBe(verdict);
});

test.each([
  [undefined, "401 token_missing"],
  ["", "401 token_missing"],
  ["Basic YTpi", "401 token_missing"],
  ["Bearer", "401 token_invalid"],
  ["Bearer ", "401 token_invalid"],
  ["Bearer a b", "401 token_invalid"],
  ["Bearer a, Bearer b", "401 token_invalid"],
  ["bearer x", "401 token_invalid"],
])("Authorization %j is answered %s", async (authorization, verdict) => {
  const policy = await createPolicy(jwtValidation, staticConfiguration());
  const reply = await policy.onRequest(anExchange({ headers: authorization === undefined ? {} : { authorization } }));
  expect(verdictOf(reply)).toBe(verdict);
  expect(reply?.headers).toContain("www-authenticate");
});

test("two Authorization fields are refused although the first token is good", async () => {
  const policy = await createPolicy(jwtValidation, staticConfiguration());
  const token = await aToken();
  const exchange = anExchange({ headers: { authorization: [`Bearer ${token}`, `Bearer ${token}`] } });
  expect(verdictOf(await policy.onRequest(exchange))).toBe("401 token_invalid");
});

test("required claims, scopes and type are looked at", async () => {
  const token = await aToken(
    { ...goodClaims, scope: "read write", roles: ["admin"], constructor: undefined },
    { typ: "at+JWT" },
  );
  expect(
    await judge(token, {
      scopes: ["read"],
      requiredClaims: [{ name: "roles", values: ["admin"] }],
      tokenType: "application/at+jwt",
    }),
  ).toBe("pass");
  expect(await judge(token, { scopes: ["delete"] })).toBe("403 token_scope_missing");
  expect(await judge(token, { requiredClaims: [{ name: "roles", values: ["root"] }] })).toBe("401 token_invalid");
  expect(await judge(token, { requiredClaims: [{ name: "constructor" }] })).toBe("401 token_invalid");
  expect(await judge(await aToken(), { tokenType: "at+jwt" })).toBe("401 token_invalid");
});

test("HS256 is accepted with the operator's secret only, and nothing else then", async () => {
  const secret = "a secret of at least 32 characters";
  const configuration = { algorithms: undefined, keys: { source: "secret", secret } };
  const signed = (key: string) => new SignJWT(goodClaims).setProtectedHeader({ alg: "HS256" }).sign(Buffer.from(key));
  expect(await judge(await signed(secret), configuration)).toBe("pass");
  expect(await judge(await signed(`${secret}!`), configuration)).toBe("401 token_invalid");
  expect(await judge(await aToken(), configuration)).toBe("401 token_invalid");
});

test("the client id claim names the contract; a client without one is refused", async () => {
  const contract = aContract("shop");
  const context = createTestContext({ contracts: [contract] });
  const policy = await createPolicy(jwtValidation, staticConfiguration({ clientIdClaim: "azp" }), { context });
  const send = async (claims: JWTPayload) => {
    const exchange = anExchange({ headers: { authorization: `Bearer ${await aToken({ ...goodClaims, ...claims })}` } });
    return { verdict: verdictOf(await policy.onRequest(exchange)), client: exchange.client };
  };
  expect(await send({ azp: "shop" })).toStrictEqual({ verdict: "pass", client: contract });
  for (const azp of ["other", ["shop", "other"], [], {}, null]) {
    expect(await send({ azp })).toStrictEqual({ verdict: "403 client_without_contract", client: undefined });
  }
});

test("claims reach the upstream only by the token: what the client sent under their names is removed", async () => {
  const claimHeaders = [
    { claim: "sub", header: "X-User" },
    { claim: "note", header: "X-Note" },
    { claim: "level", header: "X-Level" },
  ];
  const policy = await createPolicy(jwtValidation, staticConfiguration({ claimHeaders, forwardToken: false }));
  const token = await aToken({ ...goodClaims, note: "a\r\nx-admin: yes", level: 3 });
  const exchange = anExchange({
    headers: { authorization: `Bearer ${token}`, "x-user": ["root", "root"], x_user: "root", "X-NOTE": "forged" },
  });
  expect(verdictOf(await policy.onRequest(exchange))).toBe("pass");
  expect(exchange.rawHeaders).toStrictEqual(["X-User", "ann", "X-Level", "3"]);
});

test.each([
  [{ issuers: undefined }, "issuers"],
  [{ issuers: [] }, "issuers"],
  [{ algorithms: ["none"] }, "algorithms.0"],
  [{ algorithms: ["HS256"] }, "algorithms.0"],
  [{ algorithms: undefined }, "algorithms: must name the algorithms that are accepted"],
  [{ audiences: [] }, "audiences: must name an audience"],
  [{ anyAudience: true }, "anyAudience: must not be set"],
  [{ leewaySeconds: 301 }, "leewaySeconds"],
  [{ algorithms: ["ES256"], keys: { source: "secret", secret: "x".repeat(32) } }, "algorithms: must be absent"],
  [{ algorithms: undefined, keys: { source: "secret", secret: "x".repeat(31) } }, "keys.secret"],
  [{ algorithms: ["RS256"] }, "keys.keys.0.pem: cannot be used with any"],
  [{ keys: { source: "static", keys: [{ pem: "x" }] } }, "keys.keys.0.pem: is no public key"],
  [
    { keys: { source: "static", keys: [{ pem: es256.privateKey.export({ format: "pem", type: "pkcs8" }) }] } },
    "keys.keys.0.pem: is no public key",
  ],
  [{ keys: { source: "jwks", url: "http://issuer.example.com/keys" } }, "keys.url: must begin with https"],
  [{ keys: { source: "jwks", url: "http://127.0.0.1/keys" } }, "keys.url: must begin with https"],
  [
    { keys: { source: "jwks", url: "http://127.0.0.1.example.com/", allowLoopbackHttp: true } },
    "keys.url: must begin with https",
  ],
  [{ keys: { source: "jwks", url: "https://a:b@issuer.example.com/" } }, "keys.url: must not hold credentials"],
  [{ keys: { source: "jwks", url: "file:///etc/passwd" } }, "keys.url: must begin with https"],
  [{ claimHeaders: [{ claim: "sub", header: "x-forwarded-for" }] }, "claimHeaders.0.header: is a header"],
  [{ claimHeaders: [{ claim: "sub", header: "host" }] }, "claimHeaders.0.header: must begin with x-"],
  [{ unknown: 1 }, ""],
])("the schema refuses %j and names the field", (overrides, problem) => {
  const problems = problemsOf(jwtValidation, staticConfiguration(overrides));
  expect(problems).toHaveLength(1);
  expect(problems[0]).toContain(problem);
});

test("http to a loopback address is accepted when the configuration says so", () => {
  const keys = { source: "jwks", url: "http://[::1]:8080/keys", allowLoopbackHttp: true };
  expect(problemsOf(jwtValidation, staticConfiguration({ keys }))).toStrictEqual([]);
});

test("a detached or re-signed payload never passes for another", async () => {
  const one = await aToken({ ...goodClaims, sub: "ann" });
  const other = await aToken({ ...goodClaims, sub: "bob" });
  const [, payload] = other.split(".");
  const [head, , signature] = one.split(".");
  expect(await judge(`${head}.${payload}.${signature}`)).toBe("401 token_invalid");
  expect(
    await judge(await new CompactSign(Buffer.from("x")).setProtectedHeader({ alg: "ES256" }).sign(es256.privateKey)),
  ).toBe("401 token_invalid");
});
