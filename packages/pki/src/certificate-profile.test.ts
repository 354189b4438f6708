import "reflect-metadata";
import { X509Certificate } from "node:crypto";
import {
  BasicConstraintsExtension,
  ExtendedKeyUsageExtension,
  KeyUsageFlags,
  KeyUsagesExtension,
  SubjectAlternativeNameExtension,
  X509Certificate as ForeignCertificate,
} from "@peculiar/x509";
import { expect, test } from "vitest";
import { agentSpiffeId, createTestPki } from "../test/test-pki.ts";
import { assertLeafTtl, issuingTtlSeconds, leafTtl } from "./certificate-profile.ts";
import { generateSerialNumber, parseCertificate } from "./certificate.ts";
import { generateKeyPair } from "./key-pair.ts";
import { createLeafCertificate } from "./leaf-issuer.ts";

const now = new Date("2026-11-21T12:00:00.000Z");
const pki = await createTestPki(now);
const keyPair = await generateKeyPair();

test("leaf: not a CA, signs only, client and server, one URI SAN (R1)", async () => {
  const leaf = await pki.issuer.issue({ spkiDer: keyPair.spkiDer, spiffeId: agentSpiffeId, now });
  const read = new ForeignCertificate(leaf.certificateDer);
  expect(read.getExtension(BasicConstraintsExtension)).toMatchObject({ ca: false, critical: true });
  expect(read.getExtension(KeyUsagesExtension)).toMatchObject({
    usages: KeyUsageFlags.digitalSignature,
    critical: true,
  });
  expect(read.getExtension(ExtendedKeyUsageExtension)?.usages).toEqual(["1.3.6.1.5.5.7.3.2", "1.3.6.1.5.5.7.3.1"]);
  expect(read.getExtension(SubjectAlternativeNameExtension)?.names.toJSON()).toEqual([
    { type: "url", value: agentSpiffeId },
  ]);
  expect(Buffer.from(read.publicKey.rawData)).toEqual(Buffer.from(keyPair.spkiDer));
});

test("leaf: seven days by default, valid from five minutes ago (R2)", async () => {
  const leaf = await pki.issuer.issue({ spkiDer: keyPair.spkiDer, spiffeId: agentSpiffeId, now });
  const read = parseCertificate(leaf.certificateDer);
  expect(leaf.notBefore).toEqual(new Date("2026-11-21T11:55:00.000Z"));
  expect(leaf.notAfter).toEqual(new Date("2026-11-28T12:00:00.000Z"));
  expect([read.validFromDate, read.validToDate]).toEqual([leaf.notBefore, leaf.notAfter]);
  expect(read.serialNumber.toLowerCase()).toBe(leaf.serialNumber);
});

test("chain: OpenSSL follows leaf, issuing CA and root (R2)", async () => {
  const leaf = await createLeafCertificate({
    issuer: { certificateDer: pki.issuingDer, privateKey: pki.issuingKey.privateKey },
    spkiDer: keyPair.spkiDer,
    spiffeId: agentSpiffeId,
    now,
  });
  const [end, issuing, root] = [leaf.certificateDer, pki.issuingDer, pki.rootDer].map(parseCertificate);
  if (!end || !issuing || !root) throw new Error("three certificates were given");
  expect(end.checkIssued(issuing) && end.verify(issuing.publicKey)).toBe(true);
  expect(issuing.checkIssued(root) && issuing.verify(root.publicKey)).toBe(true);
  expect([end.ca, issuing.ca, root.ca]).toEqual([false, true, true]);
});

test("CA profiles: path lengths 1 and 0, ten years and 180 days (R2)", () => {
  const root = new ForeignCertificate(pki.rootDer);
  const issuing = new ForeignCertificate(pki.issuingDer);
  expect(root.getExtension(BasicConstraintsExtension)).toMatchObject({ ca: true, pathLength: 1, critical: true });
  expect(issuing.getExtension(BasicConstraintsExtension)).toMatchObject({ ca: true, pathLength: 0, critical: true });
  const usages = KeyUsageFlags.keyCertSign | KeyUsageFlags.cRLSign;
  expect(issuing.getExtension(KeyUsagesExtension)).toMatchObject({ usages, critical: true });
  expect(root.notAfter.getTime() - now.getTime()).toBe(3650 * 86_400_000);
  expect(issuing.notAfter.getTime() - now.getTime()).toBe(180 * 86_400_000);
});

test("a leaf never outlives its issuing CA, and an expired CA signs nothing", async () => {
  const issuingEnd = new X509Certificate(Buffer.from(pki.issuingDer)).validToDate;
  const late = new Date(issuingEnd.getTime() - 3_600_000);
  const leaf = await pki.issuer.issue({ spkiDer: keyPair.spkiDer, spiffeId: agentSpiffeId, now: late });
  expect(leaf.notAfter).toEqual(issuingEnd);
  await expect(
    pki.issuer.issue({ spkiDer: keyPair.spkiDer, spiffeId: agentSpiffeId, now: issuingEnd }),
  ).rejects.toMatchObject({
    code: "ISSUING_CA_EXPIRED",
  });
});

test("refuses to sign a name that is not ours", async () => {
  const spiffeId = "spiffe://drawbridge.local/cp/x\n";
  await expect(pki.issuer.issue({ spkiDer: keyPair.spkiDer, spiffeId, now })).rejects.toMatchObject({
    code: "SPIFFE_ID_INVALID",
  });
});

test("serial numbers are positive, 20 octets and all different", () => {
  const serials = Array.from({ length: 1000 }, generateSerialNumber);
  expect(new Set(serials).size).toBe(1000);
  for (const serial of serials) expect(serial).toMatch(/^[4-7][0-9a-f]{39}$/);
});

test.each([
  ["an hour", 3600, "production", issuingTtlSeconds, true],
  ["below an hour", 3599, "production", issuingTtlSeconds, false],
  ["30 days", leafTtl.maximumSeconds, "production", issuingTtlSeconds, true],
  ["above 30 days", leafTtl.maximumSeconds + 1, "production", issuingTtlSeconds * 10, false],
  ["a sixth of the issuing CA's life", 600, "drill", 3600, true],
  ["above a sixth of the issuing CA's life", 601, "drill", 3600, false],
  ["ten seconds in a drill", 10, "drill", 60, true],
  ["ten seconds in production", 10, "production", issuingTtlSeconds, false],
  ["half a second more", 3600.5, "production", issuingTtlSeconds, false],
] as const)("leaf life of %s (R2)", (_what, ttlSeconds, mode, issuingSeconds, isAllowed) => {
  const check = () => assertLeafTtl({ ttlSeconds, issuingTtlSeconds: issuingSeconds, mode });
  if (isAllowed) expect(check).not.toThrow();
  else expect(check).toThrow(expect.objectContaining({ code: "LEAF_TTL_REFUSED" }));
});
