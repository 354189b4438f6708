import { createPublicKey, type KeyObject } from "node:crypto";
import { algorithmsOfKey, isPublicKeyAlgorithm, type PublicKeyAlgorithm } from "./algorithms.ts";

/** A public key and the algorithms that it may be used with: never more than it says of itself (RFC 8725, section 3.1). */
export interface VerificationKey {
  readonly keyId: string | undefined;
  readonly algorithms: ReadonlySet<PublicKeyAlgorithm>;
  readonly key: KeyObject;
}

/** A key set longer than this is not one. */
const mostKeys = 100;

/** Members of a JWK that hold a private or symmetric key (RFC 7518, section 6). */
const secretMembers = ["d", "k", "p", "q", "dp", "dq", "qi", "oth"];

/**
 * The keys of a JWK Set (RFC 7517) that can verify signatures. Keys of other kinds, uses or algorithms are left out, as
 * section 5 says; symmetric and private ones always, so that a key set can never make HS256 possible.
 * @returns undefined if the value is no JWK Set at all
 */
export function keysFromJwks(value: unknown): VerificationKey[] | undefined {
  if (typeof value !== "object" || value === null || !("keys" in value) || !Array.isArray(value.keys)) return undefined;
  if (value.keys.length > mostKeys) return undefined;
  return value.keys.flatMap((jwk: unknown) => keyFromJwk(jwk) ?? []);
}

export function keyFromJwk(jwk: unknown): VerificationKey | undefined {
  if (typeof jwk !== "object" || jwk === null || Array.isArray(jwk)) return undefined;
  // `as` holds: an object that is neither null nor an array is a record.
  const members = jwk as Record<string, unknown>;
  if (secretMembers.some((member) => Object.hasOwn(members, member))) return undefined;
  if (members["use"] !== undefined && members["use"] !== "sig") return undefined;
  const operations = members["key_ops"];
  if (operations !== undefined && !(Array.isArray(operations) && operations.includes("verify"))) return undefined;
  const keyId = members["kid"];
  if (keyId !== undefined && typeof keyId !== "string") return undefined;
  try {
    const key = createPublicKey({ key: members, format: "jwk" });
    return withAlgorithms({ key, keyId, only: members["alg"] });
  } catch {
    return undefined;
  }
}

/** A key from PEM (SPKI, PKCS#1 or a certificate), or undefined. */
export function keyFromPem(
  pem: string,
  { keyId, only }: { keyId?: string | undefined; only?: string | undefined } = {},
): VerificationKey | undefined {
  if (/PRIVATE KEY/.test(pem)) return undefined;
  try {
    return withAlgorithms({ key: createPublicKey(pem), keyId, only });
  } catch {
    return undefined;
  }
}

function withAlgorithms({
  key,
  keyId,
  only,
}: {
  key: KeyObject;
  keyId: string | undefined;
  only: unknown;
}): VerificationKey | undefined {
  const possible = algorithmsOfKey(key);
  const allowed =
    only === undefined ? possible : possible.filter((name) => name === only && isPublicKeyAlgorithm(name));
  return allowed.length === 0 ? undefined : { keyId, algorithms: new Set(allowed), key };
}
