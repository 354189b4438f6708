import type { X509Certificate } from "node:crypto";
import { expect, test } from "vitest";
import { agentSpiffeId, createTestPki } from "../test/test-pki.ts";
import { parseCertificate } from "./certificate.ts";
import { generateKeyPair } from "./key-pair.ts";
import { createLeafIssuer } from "./leaf-issuer.ts";
import { verifyChain } from "./verify-chain.ts";

const now = new Date();
const pki = await createTestPki(now);
const other = await createTestPki(now);
const keyPair = await generateKeyPair();
const leaf = await pki.issuer.issue({ spkiDer: keyPair.spkiDer, spiffeId: agentSpiffeId, now, ttlSeconds: 3600 });
const [leafCertificate, issuing, root] = [leaf.certificateDer, pki.issuingDer, pki.rootDer].map(parseCertificate) as [
  X509Certificate,
  X509Certificate,
  X509Certificate,
]; // three in, three out
const invalid = expect.objectContaining({ code: "CERTIFICATE_CHAIN_INVALID" });

function verify(chain: readonly X509Certificate[], at = now, trustBundle = pki.trustBundle) {
  return () => verifyChain({ chain, trustBundle, at });
}

test("accepts leaf and issuing CA, with or without the root", () => {
  expect(verify([leafCertificate, issuing])()).toMatchObject({
    spiffeId: agentSpiffeId,
    serialNumber: leaf.serialNumber,
  });
  expect(verify([leafCertificate, issuing, root])()).toMatchObject({ spiffeId: agentSpiffeId });
});

test("refuses a chain to a root that is not in the bundle", () => {
  expect(verify([leafCertificate, issuing], now, other.trustBundle)).toThrow(invalid);
});

test("refuses a leaf of another issuing CA", () => {
  expect(verify([leafCertificate, parseCertificate(other.issuingDer)], now, other.trustBundle)).toThrow(invalid);
});

test("refuses a leaf that signs as a CA", async () => {
  const rogue = createLeafIssuer({ certificateDer: leaf.certificateDer, privateKey: keyPair.privateKey });
  const forged = await rogue.issue({ spkiDer: keyPair.spkiDer, spiffeId: agentSpiffeId, now });
  expect(verify([parseCertificate(forged.certificateDer), leafCertificate, issuing])).toThrow(invalid);
  expect(verify([parseCertificate(forged.certificateDer), leafCertificate])).toThrow(invalid);
});

test("refuses a CA certificate in the place of the leaf", () => {
  expect(verify([issuing, root])).toThrow(invalid);
});

test("refuses an empty chain, a lonely leaf and strangers in the chain", () => {
  expect(verify([])).toThrow(invalid);
  expect(verify([leafCertificate])).toThrow(invalid);
  expect(verify([leafCertificate, issuing, parseCertificate(other.rootDer)])).toThrow(invalid);
});

test("is valid up to but not including notAfter, and from notBefore on", () => {
  const expired = expect.objectContaining({ code: "CERTIFICATE_EXPIRED" });
  const chain = [leafCertificate, issuing];
  expect(verify(chain, new Date(leaf.notAfter.getTime() - 1))()).toMatchObject({ spiffeId: agentSpiffeId });
  expect(verify(chain, leaf.notAfter)).toThrow(expired);
  expect(verify(chain, new Date(leaf.notBefore.getTime() - 1))).toThrow(expired);
});

test("refuses the name of another trust domain", async () => {
  const spiffeId = "spiffe://other.example/cp/activation";
  const foreign = await pki.issuer.issue({ spkiDer: keyPair.spkiDer, spiffeId, now });
  expect(verify([parseCertificate(foreign.certificateDer), issuing])).toThrow(invalid);
});
