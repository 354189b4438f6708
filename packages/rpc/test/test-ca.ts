import {
  chainToPem,
  createIssuingCertificate,
  createLeafCertificate,
  createRootCertificate,
  createTrustBundle,
  generateKeyPair,
  IdentityHolder,
  spiffeId,
  validateIdentity,
  type IdentitySnapshot,
} from "@drawbridge/pki";

export const trustDomain = "drawbridge.test";
export const fabricId = "01890000-0000-7000-8000-000000000001";
export const agentId = "01890000-0000-7000-8000-000000000002";

export interface TestCa {
  service(name: string, life?: { readonly ttlSeconds: number }): Promise<IdentitySnapshot>;
  agent(): Promise<IdentitySnapshot>;
}

/** A root and an issuing CA in memory. */
export async function createTestCa(): Promise<TestCa> {
  const now = new Date();
  const rootKey = await generateKeyPair();
  const rootDer = await createRootCertificate({ keyPair: rootKey, trustDomain, now });
  const issuingKey = await generateKeyPair();
  const root = { certificateDer: rootDer, privateKey: rootKey.privateKey };
  const issuingDer = await createIssuingCertificate({ spkiDer: issuingKey.spkiDer, root, trustDomain, now });
  const issuer = { certificateDer: issuingDer, privateKey: issuingKey.privateKey };
  const trustBundle = createTrustBundle({ sequence: 1n, trustDomain, rootsDer: [rootDer], refreshHintSeconds: 300 });

  async function issue(id: string, ttlSeconds = 3600): Promise<IdentitySnapshot> {
    const keyPair = await generateKeyPair();
    const leaf = await createLeafCertificate({
      issuer,
      spkiDer: keyPair.spkiDer,
      spiffeId: id,
      now: new Date(),
      ttlSeconds,
    });
    const certificateChainPem = chainToPem([leaf.certificateDer, issuingDer]);
    return validateIdentity({ certificateChainPem, privateKeyPem: keyPair.privateKeyPem(), trustBundle }, new Date());
  }
  return {
    service: (name, life) => issue(spiffeId.service({ trustDomain, service: name }), life?.ttlSeconds),
    agent: () => issue(spiffeId.agent({ trustDomain, org: "acme", fabricId, agentId })),
  };
}

export function holderOf(snapshot: IdentitySnapshot): IdentityHolder {
  return new IdentityHolder(snapshot);
}
