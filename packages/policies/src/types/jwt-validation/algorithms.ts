import { constants, verify as verifyOnThreadPool, type KeyObject } from "node:crypto";

interface Algorithm {
  readonly hash: string | null;
  fits(key: KeyObject): boolean;
  /** undefined: as long as the key says. */
  readonly signatureBytes?: number;
  readonly padding?: number;
}

/** RFC 7518, section 3.3: "A key of size 2048 bits or larger MUST be used". */
const smallestRsaBits = 2048;
/** Above this one verification costs milliseconds of a thread: an operator's mistake must not be a way to stall us. */
const largestRsaBits = 8192;

const rsa = (key: KeyObject): boolean => {
  const bits = key.asymmetricKeyDetails?.modulusLength ?? 0;
  return key.asymmetricKeyType === "rsa" && bits >= smallestRsaBits && bits <= largestRsaBits;
};
const ec = (curve: string) => (key: KeyObject) =>
  key.asymmetricKeyType === "ec" && key.asymmetricKeyDetails?.namedCurve === curve;
const pkcs1 = (hash: string): Algorithm => ({ hash, fits: rsa, padding: constants.RSA_PKCS1_PADDING });
const pss = (hash: string): Algorithm => ({ hash, fits: rsa, padding: constants.RSA_PKCS1_PSS_PADDING });
const ed25519: Algorithm = { hash: null, fits: (key) => key.asymmetricKeyType === "ed25519", signatureBytes: 64 };

/**
 * Signatures that we verify with a public key (RFC 7518 section 3, RFC 8037, RFC 9864). "none" is not among them and
 * cannot be configured; HS256 is apart, because its key is a secret and never comes from a key set.
 */
const algorithms = {
  RS256: pkcs1("sha256"),
  RS384: pkcs1("sha384"),
  RS512: pkcs1("sha512"),
  PS256: pss("sha256"),
  PS384: pss("sha384"),
  PS512: pss("sha512"),
  ES256: { hash: "sha256", fits: ec("prime256v1"), signatureBytes: 64 },
  ES384: { hash: "sha384", fits: ec("secp384r1"), signatureBytes: 96 },
  EdDSA: ed25519,
  Ed25519: ed25519,
} as const satisfies Record<string, Algorithm>;

export type PublicKeyAlgorithm = keyof typeof algorithms;

// `as` holds: the keys of the table are its type.
export const publicKeyAlgorithms = Object.keys(algorithms) as [PublicKeyAlgorithm, ...PublicKeyAlgorithm[]];

export function isPublicKeyAlgorithm(name: string): name is PublicKeyAlgorithm {
  return Object.hasOwn(algorithms, name);
}

/** The algorithms that a key can be used with: by its type, curve and size alone. */
export function algorithmsOfKey(key: KeyObject): PublicKeyAlgorithm[] {
  return publicKeyAlgorithms.filter((name) => algorithms[name].fits(key));
}

/** Verify on libuv's thread pool. Never rejects: what cannot be verified is not verified. */
export function verifySignature(
  name: PublicKeyAlgorithm,
  { key, signingInput, signature }: { key: KeyObject; signingInput: Buffer; signature: Buffer },
): Promise<boolean> {
  const algorithm: Algorithm = algorithms[name];
  if (algorithm.signatureBytes !== undefined && signature.length !== algorithm.signatureBytes)
    return Promise.resolve(false);
  return new Promise((resolve) => {
    try {
      verifyOnThreadPool(
        algorithm.hash,
        signingInput,
        {
          key,
          dsaEncoding: "ieee-p1363",
          ...(algorithm.padding === undefined ? {} : { padding: algorithm.padding }),
          ...(algorithm.padding === constants.RSA_PKCS1_PSS_PADDING
            ? { saltLength: constants.RSA_PSS_SALTLEN_DIGEST }
            : {}),
        },
        signature,
        (error, isValid) => resolve(!error && isValid),
      );
    } catch {
      resolve(false);
    }
  });
}
