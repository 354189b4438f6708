import { generateKeyPairSync, sign, type KeyObject } from "node:crypto";

/** Somebody who signs tokens with ES256, key id "1". */
export function createTokenIssuer() {
  const pair = generateKeyPairSync("ec", { namedCurve: "P-256" });
  return {
    publicJwk: { ...pair.publicKey.export({ format: "jwk" }), kid: "1" },
    aToken: (claims: Record<string, unknown>, key: KeyObject = pair.privateKey): string => {
      const part = (value: unknown) => Buffer.from(JSON.stringify(value)).toString("base64url");
      const input = `${part({ alg: "ES256", kid: "1" })}.${part(claims)}`;
      return `${input}.${sign("sha256", Buffer.from(input), { key, dsaEncoding: "ieee-p1363" }).toString("base64url")}`;
    },
  };
}
