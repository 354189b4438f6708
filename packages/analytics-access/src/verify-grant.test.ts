import { signJws, type IdentitySnapshot } from "@drawbridge/pki";
import { createTestCa } from "@drawbridge/testkit";
import { expect, test } from "vitest";
import { createGrantSigner } from "./grant-signer.ts";
import { analyticsTokenType, maxTokenCharacters, type AnalyticsGrant } from "./grant.ts";
import { clockLeewayMs, verifyGrant } from "./verify-grant.ts";

const now = new Date("2026-11-22T12:00:00.000Z");
const ca = await createTestCa({ now });
const { trustBundle } = ca;
const runtimeManager = await ca.issueService("runtime-manager");
const grant: AnalyticsGrant = {
  fabricId: "0190b8a0-0000-7000-8000-00000000f001",
  environments: ["prod", "test"],
  issuedAt: now,
  expiresAt: new Date(now.getTime() + 3_600_000),
  tokenId: "0190b8a0-0000-7000-8000-0000000000a1",
};
const token = createGrantSigner(() => runtimeManager)(grant);
const invalid = { kind: "unauthenticated", code: "ANALYTICS_TOKEN_INVALID" };

/** What `signer` would sign, whatever it says. */
const signedBy = (
  signer: Pick<IdentitySnapshot, "privateKeyPem" | "chainDer">,
  payload: object,
  type = analyticsTokenType,
) => signJws({ signer, type, payload: Buffer.from(JSON.stringify(payload)) });
const claims = { ...grant, issuedAt: grant.issuedAt.toISOString(), expiresAt: grant.expiresAt.toISOString() };
const verify = (jws: string, at = now) => verifyGrant({ token: jws, trustBundle, now: at });

test("a token says for which fabric and environments, until when, and under which name it is logged (ANA 1)", async () => {
  await expect(verify(token)).resolves.toEqual(grant);
});

test("a token runs out at its end, and 30 s later for a clock that is behind; one of the future is refused (ANA 1)", async () => {
  const end = grant.expiresAt.getTime() + clockLeewayMs;
  await expect(verify(token, new Date(end - 1))).resolves.toEqual(grant);
  await expect(verify(token, new Date(end))).rejects.toMatchObject({
    kind: "unauthenticated",
    code: "ANALYTICS_TOKEN_EXPIRED",
  });
  await expect(verify(token, new Date(now.getTime() - clockLeewayMs))).resolves.toEqual(grant);
  await expect(verify(token, new Date(now.getTime() - clockLeewayMs - 1))).rejects.toMatchObject(invalid);
});

test.each(["activation", "analytics-ingest", "runtime-manager-2"])(
  "a token that another service of the same authority signed is refused: %s (ANA 1)",
  async (service) => {
    const other = await ca.issueService(service);
    await expect(verify(createGrantSigner(() => other)(grant))).rejects.toMatchObject(invalid);
  },
);

test("what an agent or a collector signs is no token (ANA 1)", async () => {
  const names = { org: "acme", fabricId: grant.fabricId };
  const agent = await ca.issueAgent({ ...names, agentId: grant.tokenId });
  for (const signer of [agent, await ca.issueCollector(names)]) {
    await expect(verify(await signedBy(signer, claims))).rejects.toMatchObject(invalid);
  }
});

test("a token of another authority is refused: of another trust domain, and of one that takes our names (ANA 1)", async () => {
  for (const trustDomain of ["other.example", ca.trustDomain]) {
    const foreign = await (await createTestCa({ trustDomain, now })).issueService("runtime-manager");
    await expect(verify(createGrantSigner(() => foreign)(grant))).rejects.toMatchObject(invalid);
  }
});

test("a token with the chain of runtime-manager and the signature of another key is refused (ANA 1)", async () => {
  const { privateKeyPem } = await (await createTestCa({ now })).issueService("runtime-manager");
  const forged = await signedBy({ privateKeyPem, chainDer: runtimeManager.chainDer }, claims);
  await expect(verify(forged)).rejects.toMatchObject(invalid);
});

test("another document that runtime-manager signed is no token (ANA 1)", async () => {
  const snapshot = await signedBy(runtimeManager, claims, "drawbridge-snapshot+jws");
  await expect(verify(snapshot)).rejects.toMatchObject(invalid);
});

test("a token whose payload was altered is refused, also where a single environment was added (ANA 1)", async () => {
  const [header, , signature] = token.split(".");
  const altered = Buffer.from(JSON.stringify({ ...claims, environments: ["prod", "test", "other"] }));
  await expect(verify(`${header}.${altered.toString("base64url")}.${signature}`)).rejects.toMatchObject(invalid);
});

test("a token whose signer's certificate has run out is refused (ANA 1)", async () => {
  const brief = await ca.issueService("runtime-manager", { ttlSeconds: 3_600 });
  const long = { ...grant, expiresAt: new Date(now.getTime() + 7_200_000) };
  const later = new Date(now.getTime() + 3_601_000);
  await expect(verify(createGrantSigner(() => brief)(long), later)).rejects.toMatchObject(invalid);
});

test.each(["fabricId", "tokenId", "issuedAt", "expiresAt"])(
  "a token without %s is refused (ANA 1)",
  async (missing) => {
    await expect(verify(await signedBy(runtimeManager, { ...claims, [missing]: undefined }))).rejects.toMatchObject(
      invalid,
    );
  },
);

test.each([
  ["a time that is none", { ...claims, expiresAt: "soon" }],
  ["environments that are no list", { ...claims, environments: 7 }],
  ["no object", null],
])("a signed payload that holds %s is refused or grants nothing (ANA 1)", async (_what, payload) => {
  const read = verify(await signedBy(runtimeManager, payload as object)); // what JSON holds is what the test is about
  await read.then(
    ({ environments }) => expect(environments).toEqual([]),
    (error: unknown) => expect(error).toMatchObject(invalid),
  );
});

test.each(["", "a.b.c", "Bearer", "eyJhbGciOiJub25lIn0..", `${token}.x`, token.slice(0, -4), "\u{1F511}".repeat(9)])(
  "what is no token is refused: %j (ANA 1)",
  async (text) => {
    await expect(verify(text)).rejects.toMatchObject(invalid);
  },
);

test("a token is not looked at when it is too long, and a hundred environments with the longest names fit (ANA 1)", async () => {
  const environments = Array.from({ length: 100 }, (_, index) => `${index}`.padStart(63, "e"));
  const largest = createGrantSigner(() => runtimeManager)({ ...grant, environments });
  expect(largest.length).toBeLessThanOrEqual(maxTokenCharacters);
  await expect(verify(largest)).resolves.toMatchObject({ environments });
  const padding = "p".repeat(maxTokenCharacters);
  await expect(verify(await signedBy(runtimeManager, { ...claims, padding }))).rejects.toMatchObject(invalid);
});
