import { DrawbridgeError } from "@drawbridge/errors";
import { parseCertificate } from "./certificate.ts";
import { importPrivateKeyPem } from "./key-pair.ts";
import { derToPem, pemToDerAll } from "./pem.ts";
import type { SpiffeIdentity } from "./spiffe-id.ts";
import type { TrustBundle } from "./trust-bundle.ts";
import { verifyChain } from "./verify-chain.ts";

/** What a process proves itself with, not yet checked. */
export interface IdentityMaterial {
  /** PEM, leaf first, then the issuing CA. */
  readonly certificateChainPem: string;
  /** PKCS#8, PEM. */
  readonly privateKeyPem: string;
  readonly trustBundle: TrustBundle;
}

/** An identity whose parts were checked against each other: `validateIdentity` is the only way to one. */
export interface IdentitySnapshot extends IdentityMaterial {
  readonly spiffeId: string;
  readonly identity: SpiffeIdentity;
  /** Lower-case hex. */
  readonly serialNumber: string;
  readonly notBefore: Date;
  readonly notAfter: Date;
  /** Leaf first. */
  readonly chainDer: readonly Uint8Array[];
}

/**
 * Check that the key is the leaf's, that the chain leads to the bundle, and that it is valid now.
 * @throws DrawbridgeError (failed_precondition) `IDENTITY_KEY_MISMATCH`; whatever `verifyChain` and `importPrivateKeyPem` throw
 */
export function validateIdentity(material: IdentityMaterial, now: Date): IdentitySnapshot {
  const chain = pemToDerAll(material.certificateChainPem).map((der) => parseCertificate(der));
  const { certificate, ...leaf } = verifyChain({ chain, trustBundle: material.trustBundle, at: now });
  if (!certificate.checkPrivateKey(importPrivateKeyPem(material.privateKeyPem).privateKey)) {
    throw new DrawbridgeError({
      kind: "failed_precondition",
      code: "IDENTITY_KEY_MISMATCH",
      message: "the private key does not belong to the certificate",
      details: { serialNumber: leaf.serialNumber },
    });
  }
  return {
    certificateChainPem: material.certificateChainPem,
    privateKeyPem: material.privateKeyPem,
    trustBundle: material.trustBundle,
    ...leaf,
    chainDer: chain.map((link) => new Uint8Array(link.raw)),
  };
}

/** The chain of a new certificate as PEM, leaf first. */
export function chainToPem(chainDer: readonly Uint8Array[]): string {
  return chainDer.map((der) => derToPem(der, "CERTIFICATE")).join("");
}

/**
 * The identity in use, swapped as one validated whole: a reader never sees a new certificate with an old key.
 * Listeners run synchronously, in the order in which they were added, after the swap.
 */
export class IdentityHolder {
  #current: IdentitySnapshot | undefined;
  readonly #listeners = new Set<(snapshot: IdentitySnapshot) => void>();

  constructor(initial?: IdentitySnapshot) {
    this.#current = initial;
  }

  /** @throws DrawbridgeError `IDENTITY_MISSING` (unavailable): none was loaded yet */
  get(): IdentitySnapshot {
    if (this.#current) return this.#current;
    throw new DrawbridgeError({
      kind: "unavailable",
      code: "IDENTITY_MISSING",
      message: "no identity has been loaded yet",
    });
  }

  get isLoaded(): boolean {
    return this.#current !== undefined;
  }

  /** Validate, then swap. If it is not valid the old identity stays. @throws what `validateIdentity` throws */
  replace(next: IdentityMaterial, now: Date): IdentitySnapshot {
    const snapshot = validateIdentity(next, now);
    this.#current = snapshot;
    for (const listener of this.#listeners) listener(snapshot);
    return snapshot;
  }

  /** Call `listener` after every swap; the answer removes it. */
  onChange(listener: (snapshot: IdentitySnapshot) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }
}
