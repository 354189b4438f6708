import {
  chainToPem,
  createIssuingCertificate,
  createLeafIssuer,
  createRootCertificate,
  createTrustBundle,
  generateKeyPair,
  spiffeId,
  type IdentityMaterial,
  type KeyPair,
  type LeafIssuer,
  type TrustBundle,
} from "../src/index.ts";

export const trustDomain = "drawbridge.local";
export const fabricId = "018f0000-0000-7000-8000-00000000000a";
export const agentId = "018f0000-0000-7000-8000-00000000000b";
export const agentSpiffeId = spiffeId.agent({ trustDomain, org: "acme", fabricId, agentId });

export interface TestPki {
  readonly rootKey: KeyPair;
  readonly rootDer: Uint8Array;
  readonly issuingKey: KeyPair;
  readonly issuingDer: Uint8Array;
  readonly issuer: LeafIssuer;
  readonly trustBundle: TrustBundle;
  identity(id: string, options?: { readonly now?: Date; readonly ttlSeconds?: number }): Promise<IdentityMaterial>;
}

export async function createTestPki(now = new Date()): Promise<TestPki> {
  const rootKey = await generateKeyPair();
  const rootDer = await createRootCertificate({ keyPair: rootKey, trustDomain, now });
  const issuingKey = await generateKeyPair();
  const root = { certificateDer: rootDer, privateKey: rootKey.privateKey };
  const issuingDer = await createIssuingCertificate({ spkiDer: issuingKey.spkiDer, root, trustDomain, now });
  const issuer = createLeafIssuer({ certificateDer: issuingDer, privateKey: issuingKey.privateKey });
  const trustBundle = createTrustBundle({ sequence: 1n, trustDomain, rootsDer: [rootDer], refreshHintSeconds: 300 });
  return {
    rootKey,
    rootDer,
    issuingKey,
    issuingDer,
    issuer,
    trustBundle,
    identity: async (id, options) => {
      const keyPair = await generateKeyPair();
      const { certificateDer } = await issuer.issue({ spkiDer: keyPair.spkiDer, spiffeId: id, now, ...options });
      return {
        certificateChainPem: chainToPem([certificateDer, issuingDer]),
        privateKeyPem: keyPair.privateKeyPem(),
        trustBundle,
      };
    },
  };
}
