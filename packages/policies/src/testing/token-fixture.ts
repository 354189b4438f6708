import { generateKeyPairSync, sign, type KeyObject } from "node:crypto";
import { SignJWT, type JWTPayload } from "jose";
import { publicKeyAlgorithms, type PublicKeyAlgorithm } from "../types/jwt-validation/algorithms.ts";

export const startMs = Date.UTC(2026, 0, 1);
export const nowSeconds = startMs / 1000;
export const issuer = "https://issuer.example.com";
export const audience = "orders";
export const goodClaims: JWTPayload = { iss: issuer, aud: audience, sub: "ann", exp: nowSeconds + 3600 };

export function keyPair(algorithm: string): { publicKey: KeyObject; privateKey: KeyObject } {
  if (algorithm.startsWith("ES"))
    return generateKeyPairSync("ec", { namedCurve: algorithm === "ES256" ? "P-256" : "P-384" });
  return algorithm.startsWith("Ed")
    ? generateKeyPairSync("ed25519")
    : generateKeyPairSync("rsa", { modulusLength: 2048 });
}

export function pemOf(key: KeyObject): string {
  return key.export({ format: "pem", type: "spki" });
}

export const pairs = new Map(publicKeyAlgorithms.map((algorithm) => [algorithm, keyPair(algorithm)]));

export function pairOf(algorithm: PublicKeyAlgorithm) {
  const pair = pairs.get(algorithm);
  if (!pair) throw new Error(algorithm);
  return pair;
}

export const es256 = pairOf("ES256");

export async function aToken(
  claims: JWTPayload = goodClaims,
  header: Record<string, unknown> = {},
  key: KeyObject = es256.privateKey,
) {
  return new SignJWT(claims).setProtectedHeader({ alg: "ES256", ...header }).sign(key);
}

/** A token made by hand, so that it can be wrong in ways no library makes. */
export function rawToken(header: unknown, claims: unknown, key: KeyObject = es256.privateKey): string {
  const part = (value: unknown) =>
    Buffer.from(typeof value === "string" ? value : JSON.stringify(value)).toString("base64url");
  const input = `${part(header)}.${part(claims)}`;
  return `${input}.${sign("sha256", Buffer.from(input), { key, dsaEncoding: "ieee-p1363" }).toString("base64url")}`;
}

export function staticConfiguration(overrides: Record<string, unknown> = {}) {
  return {
    issuers: [issuer],
    audiences: [audience],
    algorithms: ["ES256"],
    keys: { source: "static", keys: [{ pem: pemOf(es256.publicKey) }] },
    ...overrides,
  };
}
