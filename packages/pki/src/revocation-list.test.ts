import "reflect-metadata";
import { X509Certificate, X509Crl } from "@peculiar/x509";
import { expect, test } from "vitest";
import { createTestPki } from "../test/test-pki.ts";
import { generateSerialNumber } from "./certificate.ts";
import { createRevocationList } from "./revocation-list.ts";

const now = new Date("2026-11-21T12:00:00.000Z");
const nextUpdate = new Date("2026-11-21T13:00:00.000Z");
const pki = await createTestPki(now);
const issuer = { certificateDer: pki.issuingDer, privateKey: pki.issuingKey.privateKey };

test("another implementation finds the revoked serials and verifies the issuing CA's signature", async () => {
  const serialNumber = generateSerialNumber();
  const revoked = [{ serialNumber, revokedAt: now }];
  const crl = new X509Crl(await createRevocationList({ issuer, number: 7, thisUpdate: now, nextUpdate, revoked }));
  expect(await crl.verify({ publicKey: new X509Certificate(pki.issuingDer) })).toBe(true);
  expect(await crl.verify({ publicKey: new X509Certificate(pki.rootDer) })).toBe(false);
  expect(crl.findRevoked(serialNumber)?.revocationDate).toEqual(now);
  expect(crl.findRevoked(generateSerialNumber())).toBeNull();
  expect([crl.thisUpdate, crl.nextUpdate]).toEqual([now, nextUpdate]);
});

test("a list of nobody is valid too", async () => {
  const crl = new X509Crl(await createRevocationList({ issuer, number: 1, thisUpdate: now, nextUpdate, revoked: [] }));
  expect(await crl.verify({ publicKey: new X509Certificate(pki.issuingDer) })).toBe(true);
  expect(crl.entries).toEqual([]);
});

test("a standard reason is said in the entry, any other is left out (RFC 5280 5.3.1)", async () => {
  const [superseded, gone, other] = [generateSerialNumber(), generateSerialNumber(), generateSerialNumber()];
  const revoked = [
    { serialNumber: superseded, revokedAt: now, reason: "superseded" as const },
    { serialNumber: gone, revokedAt: now, reason: "cessationOfOperation" as const },
    { serialNumber: other, revokedAt: now },
  ];
  const crl = new X509Crl(await createRevocationList({ issuer, number: 2, thisUpdate: now, nextUpdate, revoked }));
  expect(crl.findRevoked(superseded)?.reason).toBe(4);
  expect(crl.findRevoked(gone)?.reason).toBe(5);
  expect(crl.findRevoked(other)?.extensions).toEqual([]);
});
