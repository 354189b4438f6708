import { expect, test } from "vitest";
import { createTestPki, trustDomain } from "../test/test-pki.ts";
import { validateIdentity } from "./identity.ts";
import { signJws, verifyJws } from "./jws.ts";
import { spiffeId } from "./spiffe-id.ts";

const now = new Date();
const pki = await createTestPki(now);
const signer = validateIdentity(
  await pki.identity(spiffeId.service({ trustDomain, service: "runtime-manager" }), { ttlSeconds: 3600 }),
  now,
);
const payload = Buffer.from(`{"fabricId":"x"}`);
const jws = await signJws({ payload, signer, type: "drawbridge-snapshot" });
const expected = {
  jws,
  trustBundle: pki.trustBundle,
  expectedSigner: "/cp/runtime-manager",
  type: "drawbridge-snapshot",
  at: now,
};

test("gives back the bytes that the expected service signed", async () => {
  const verified = await verifyJws(expected);
  expect(Buffer.from(verified.payload)).toEqual(payload);
  expect(verified.signer).toMatchObject({ spiffeId: signer.spiffeId, serialNumber: signer.serialNumber });
});

test("refuses another signer, another purpose and another trust", async () => {
  await expect(verifyJws({ ...expected, expectedSigner: "/cp/activation" })).rejects.toMatchObject({
    code: "JWS_SIGNER_UNEXPECTED",
  });
  await expect(verifyJws({ ...expected, type: "drawbridge-bundle" })).rejects.toMatchObject({ code: "JWS_INVALID" });
  const other = await createTestPki(now);
  await expect(verifyJws({ ...expected, trustBundle: other.trustBundle })).rejects.toMatchObject({
    code: "CERTIFICATE_CHAIN_INVALID",
  });
});

test("refuses an altered payload", async () => {
  const [header, , signature] = jws.split(".");
  const altered = `${header}.${Buffer.from("{}").toString("base64url")}.${signature}`;
  await expect(verifyJws({ ...expected, jws: altered })).rejects.toMatchObject({ code: "JWS_INVALID" });
});

test("verifies a stored document at the instant of its receipt, not after the signer's end", async () => {
  const later = new Date(now.getTime() + 2 * 3_600_000);
  await expect(verifyJws({ ...expected, at: later })).rejects.toMatchObject({ code: "CERTIFICATE_EXPIRED" });
  await expect(verifyJws({ ...expected, at: now })).resolves.toBeDefined();
});

test.each(["", "a.b.c", "not a jws", "eyJhbGciOiJub25lIn0..", `${jws}.x`])("refuses %j", async (text) => {
  await expect(verifyJws({ ...expected, jws: text })).rejects.toMatchObject({ code: "JWS_INVALID" });
});
