import { createHash, timingSafeEqual } from "node:crypto";
import { isPublicKeyAlgorithm, verifySignature } from "../jwt-validation/algorithms.ts";
import { decodeBase64Url } from "../jwt-validation/compact-jws.ts";
import { keyFromPem } from "../jwt-validation/verification-key.ts";

/** Type in the header of a module's signature: no other token can be taken for one (RFC 8725, section 3.11). */
export const moduleSignatureType = "drawbridge-module+jws";

const algorithms = new Set(["EdDSA", "Ed25519", "ES256"]);

export type SignatureProblem = "malformed" | "untrusted";

/**
 * Check the detached signature of a module: a compact JWS without its payload (RFC 7515, appendix F), which is the module's
 * bytes, made with Ed25519 or ES256 by one of `trustedKeys` (PEM). No key trusted: nothing is.
 */
export async function findSignatureProblem(
  signature: string,
  { module, trustedKeys }: { module: Uint8Array; trustedKeys: readonly string[] },
): Promise<SignatureProblem | undefined> {
  const [, header = "", value = ""] = /^([A-Za-z0-9_-]{1,512})\.\.([A-Za-z0-9_-]{86})$/.exec(signature) ?? [];
  const algorithm = readAlgorithm(header);
  const bytes = decodeBase64Url(value);
  if (algorithm === undefined || !isPublicKeyAlgorithm(algorithm) || !bytes) return "malformed";
  const signingInput = Buffer.from(`${header}.${Buffer.from(module).toString("base64url")}`, "latin1");
  for (const pem of trustedKeys) {
    const key = keyFromPem(pem, { only: algorithm });
    if (key && (await verifySignature(algorithm, { key: key.key, signingInput, signature: bytes }))) return undefined;
  }
  return "untrusted";
}

function readAlgorithm(header: string): string | undefined {
  try {
    const members: unknown = JSON.parse(decodeBase64Url(header)?.toString("utf8") ?? "");
    if (
      typeof members !== "object" ||
      members === null ||
      Object.hasOwn(members, "crit") ||
      Object.hasOwn(members, "b64")
    )
      return undefined;
    // `as` holds: an object is a record.
    const { alg, typ } = members as Record<string, unknown>;
    return typ === moduleSignatureType && typeof alg === "string" && algorithms.has(alg) ? alg : undefined;
  } catch {
    return undefined;
  }
}

export function hasDigest(bytes: Uint8Array, sha256Hex: string): boolean {
  return timingSafeEqual(createHash("sha256").update(bytes).digest(), Buffer.from(sha256Hex, "hex"));
}
