import { generateKeyPairSync, type KeyObject } from "node:crypto";
import { exportJWK } from "jose";
import { expect, test } from "vitest";
import type { OutboundFetch } from "../../policy-services.ts";
import { createWorkQueue } from "../../work-queue.ts";
import { anExchange, createManualClock, createPolicy, createTestServices, verdictOf } from "../../testing/harness.ts";
import {
  aToken,
  es256,
  goodClaims,
  keyPair,
  nowSeconds,
  rawToken,
  startMs,
  staticConfiguration,
} from "../../testing/token-fixture.ts";
import { jwtValidation } from "./jwt-validation.ts";

test("a good token is judged without a promise the second time, until it expires", async () => {
  const clock = createManualClock(startMs);
  const policy = await createPolicy(jwtValidation, staticConfiguration(), { services: createTestServices({ clock }) });
  const token = await aToken({ ...goodClaims, exp: nowSeconds + 100 });
  const send = () => policy.onRequest(anExchange({ headers: { authorization: `Bearer ${token}` } }));
  expect(send()).toBeInstanceOf(Promise);
  expect(await send()).toBeUndefined();
  expect(send()).toBeUndefined();
  clock.advance(99_999);
  expect(send()).toBeUndefined();
  clock.advance(1);
  expect(send()).toBeInstanceOf(Promise);
  clock.advance(30_000);
  expect(verdictOf(await send())).toBe("401 token_expired");
});

test("a bad token is never remembered, nor one longer than 4 KB", async () => {
  const policy = await createPolicy(jwtValidation, staticConfiguration());
  const long = await aToken({ ...goodClaims, filling: "x".repeat(4000) });
  const forged = rawToken({ alg: "ES256" }, goodClaims, keyPair("ES256").privateKey);
  for (const token of [long, forged]) {
    const send = () => policy.onRequest(anExchange({ headers: { authorization: `Bearer ${token}` } }));
    await send();
    expect(send()).toBeInstanceOf(Promise);
  }
});

test("more unseen tokens than may wait are answered 503, and the ones before them are still judged", async () => {
  const services = createTestServices({ verifications: createWorkQueue({ concurrent: 1, waiting: 2 }) });
  const policy = await createPolicy(jwtValidation, staticConfiguration(), { services });
  const tokens = await Promise.all(
    Array.from({ length: 5 }, (_, index) => aToken({ ...goodClaims, jti: String(index) })),
  );
  const replies = await Promise.all(
    tokens.map(async (token) => policy.onRequest(anExchange({ headers: { authorization: `Bearer ${token}` } }))),
  );
  expect(replies.map(verdictOf)).toStrictEqual([
    "pass",
    "pass",
    "pass",
    "503 token_check_busy",
    "503 token_check_busy",
  ]);
  expect(replies[4]?.headers).toContain("retry-after");
});

interface Issuer {
  readonly fetch: OutboundFetch;
  fetches: number;
  keys: readonly unknown[];
  status: number;
}

function anIssuer(keys: readonly unknown[]): Issuer {
  const state: Issuer = {
    fetches: 0,
    keys,
    status: 200,
    fetch: () => {
      state.fetches += 1;
      return Promise.resolve({
        status: state.status,
        headers: {},
        body: Buffer.from(JSON.stringify({ keys: state.keys })),
      });
    },
  };
  return state;
}

async function jwkOf(key: KeyObject, members: Record<string, unknown> = {}) {
  return { ...(await exportJWK(key)), ...members };
}

async function withJwks(keys: readonly unknown[]) {
  const clock = createManualClock(startMs);
  const from = anIssuer(keys);
  const services = createTestServices({ clock, fetch: from.fetch });
  const url = "https://issuer.example.com/keys";
  const policy = await createPolicy(jwtValidation, staticConfiguration({ keys: { source: "jwks", url } }), {
    services,
  });
  const send = (token: string) => policy.onRequest(anExchange({ headers: { authorization: `Bearer ${token}` } }));
  return { clock, from, services, send, judge: async (token: string) => verdictOf(await send(token)) };
}

test("keys are fetched once for many requests at once", async () => {
  const { from, judge } = await withJwks([await jwkOf(es256.publicKey, { kid: "1" })]);
  const tokens = await Promise.all(
    Array.from({ length: 8 }, (_, index) => aToken({ ...goodClaims, jti: String(index) }, { kid: "1" })),
  );
  expect(new Set(await Promise.all(tokens.map(judge)))).toStrictEqual(new Set(["pass"]));
  expect(from.fetches).toBe(1);
});

test("an unknown key id fetches the keys again, at most once in 30 seconds", async () => {
  const next = keyPair("ES256");
  const { clock, from, judge } = await withJwks([await jwkOf(es256.publicKey, { kid: "1" })]);
  expect(await judge(await aToken(goodClaims, { kid: "1" }))).toBe("pass");
  from.keys = [await jwkOf(es256.publicKey, { kid: "1" }), await jwkOf(next.publicKey, { kid: "2" })];
  clock.advance(29_999);
  expect(await judge(await aToken(goodClaims, { kid: "2" }, next.privateKey))).toBe("401 token_invalid");
  expect(from.fetches).toBe(1);
  clock.advance(1);
  expect(await judge(await aToken(goodClaims, { kid: "2" }, next.privateKey))).toBe("pass");
  for (let round = 0; round < 20; round += 1) {
    expect(await judge(await aToken(goodClaims, { kid: `invented-${round}` }))).toBe("401 token_invalid");
  }
  expect(from.fetches).toBe(2);
});

test("a good token is forgotten when its issuer's keys change", async () => {
  const { clock, from, judge, send } = await withJwks([await jwkOf(es256.publicKey, { kid: "1" })]);
  const token = await aToken(goodClaims, { kid: "1" });
  expect(await judge(token)).toBe("pass");
  expect(send(token)).toBeUndefined();
  from.keys = [await jwkOf(keyPair("ES256").publicKey, { kid: "2" })];
  clock.advance(30_000);
  expect(await judge(await aToken(goodClaims, { kid: "2" }))).toBe("401 token_invalid");
  expect(await judge(token)).toBe("401 token_invalid");
});

test("a good token is not remembered beyond the life of the keys, and routine refreshes forget withdrawn ones", async () => {
  const { clock, from, judge, send } = await withJwks([await jwkOf(es256.publicKey, { kid: "1" })]);
  const token = await aToken(goodClaims, { kid: "1" });
  expect(await judge(token)).toBe("pass");
  from.keys = [];
  clock.advance(600_000);
  // Fetched beside this request, which is still judged by the old keys.
  expect(send(token)).toBeInstanceOf(Promise);
  await judge(token);
  expect(from.fetches).toBe(2);
  expect(await judge(token)).toBe("401 token_invalid");
});

test("while the issuer is away the old keys serve for an hour, then requests are answered 503", async () => {
  const { clock, from, judge } = await withJwks([await jwkOf(es256.publicKey, { kid: "1" })]);
  const token = await aToken({ ...goodClaims, exp: nowSeconds + 36_000 }, { kid: "1" });
  expect(await judge(token)).toBe("pass");
  from.status = 500;
  clock.advance(600_000 + 3_599_000);
  expect(await judge(token)).toBe("pass");
  clock.advance(60_000);
  expect(await judge(token)).toBe("503 token_check_unavailable");
  from.status = 200;
  clock.advance(2000);
  expect(await judge(token)).toBe("pass");
});

test("without keys from the start requests are answered 503, and the issuer is asked every 2 seconds", async () => {
  const { clock, from, judge, services } = await withJwks([]);
  from.status = 503;
  const token = await aToken();
  expect([await judge(token), await judge(token)]).toStrictEqual([
    "503 token_check_unavailable",
    "503 token_check_unavailable",
  ]);
  expect(from.fetches).toBe(1);
  expect(services.alarms[0]).toMatchObject({
    code: "TOKEN_CHECK_UNAVAILABLE",
    message: "https://issuer.example.com/keys answered 503",
  });
  from.status = 200;
  from.keys = [await jwkOf(es256.publicKey)];
  clock.advance(2000);
  expect(await judge(token)).toBe("pass");
});

test.each([
  ["a private key", async () => jwkOf(es256.privateKey)],
  ["a key for encryption", async () => jwkOf(es256.publicKey, { use: "enc" })],
  ["a key for signing only", async () => jwkOf(es256.publicKey, { key_ops: ["sign"] })],
  ["a key of another algorithm", async () => jwkOf(es256.publicKey, { alg: "ES384" })],
  ["a symmetric key", async () => ({ kty: "oct", k: "c2VjcmV0", alg: "HS256" })],
  ["an RSA key of 1024 bits", async () => jwkOf(generateKeyPairSync("rsa", { modulusLength: 1024 }).publicKey)],
  ["something else", async () => "x"],
])("%s in a key set verifies nothing", async (_what, jwk) => {
  const { judge } = await withJwks([await jwk()]);
  expect(await judge(await aToken())).toBe("401 token_invalid");
});
