import { parseCsr, type LeafCertificate, type LeafIssuer } from "@drawbridge/pki";

export interface SignRequest {
  readonly csrDer: Uint8Array;
  readonly spiffeId: string;
  readonly now: Date;
  readonly ttlSeconds: number;
}

export interface SignedLeaf extends LeafCertificate {
  /** Of the key in the CSR. */
  readonly spkiSha256: string;
}

/** The cryptography of one certificate: check the CSR, sign the leaf. Rejects with what `parseCsr` and `LeafIssuer` say. */
export type SignLeaf = (request: SignRequest) => Promise<SignedLeaf>;

export function createSignLeaf(issuer: LeafIssuer): SignLeaf {
  return async ({ csrDer, ...request }) => {
    const { spkiDer, spkiSha256 } = await parseCsr(csrDer);
    return { spkiSha256, ...(await issuer.issue({ spkiDer, ...request })) };
  };
}
