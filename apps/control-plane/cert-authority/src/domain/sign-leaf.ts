import { parseCsr, type LeafCertificate, type LeafIssuer } from "@drawbridge/pki";

export interface SignRequest {
  readonly csrDer: Uint8Array;
  readonly spiffeId: string;
  readonly now: Date;
  readonly ttlSeconds: number;
  /** The CA that signs. */
  readonly issuerId: string;
}

export interface SignedLeaf extends LeafCertificate {
  readonly issuerId: string;
  /** Of the key in the CSR. */
  readonly spkiSha256: string;
}

/** The cryptography of one certificate: check the CSR, sign the leaf. Rejects with what `parseCsr` and `LeafIssuer` say. */
export type SignLeaf = (request: SignRequest) => Promise<SignedLeaf>;

export function createSignLeaf(issuerOf: (issuerId: string) => LeafIssuer): SignLeaf {
  return async ({ csrDer, issuerId, ...request }) => {
    const { spkiDer, spkiSha256 } = await parseCsr(csrDer);
    return { spkiSha256, issuerId, ...(await issuerOf(issuerId).issue({ spkiDer, ...request })) };
  };
}
