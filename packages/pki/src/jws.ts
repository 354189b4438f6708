import { createPrivateKey, createPublicKey, sign } from "node:crypto";
import { DrawbridgeError } from "@drawbridge/errors";
import { compactVerify, decodeProtectedHeader } from "jose";
import { parseCertificate } from "./certificate.ts";
import type { IdentitySnapshot } from "./identity.ts";
import { spiffePath, type SpiffeIdentity } from "./spiffe-id.ts";
import type { TrustBundle } from "./trust-bundle.ts";
import { verifyChain } from "./verify-chain.ts";

export interface JwsSignerOptions {
  readonly signer: Pick<IdentitySnapshot, "privateKeyPem" | "chainDer">;
  /** Header `typ`, so that a signature for one purpose is none for another: "drawbridge-snapshot". */
  readonly type: string;
}

export interface SignJwsOptions extends JwsSignerOptions {
  readonly payload: Uint8Array;
}

/** Compact JWS (RFC 7515), ES256, with the chain in `x5c`. */
export async function signJws(options: SignJwsOptions): Promise<string> {
  return createJwsSigner(options)(options.payload);
}

/** `signJws` for many documents of one signer: key and header are read once. */
export function createJwsSigner({ signer, type }: JwsSignerOptions): (payload: Uint8Array) => string {
  const key = createPrivateKey(signer.privateKeyPem);
  const x5c = signer.chainDer.map((der) => Buffer.from(der).toString("base64"));
  const header = Buffer.from(JSON.stringify({ alg: "ES256", typ: type, x5c })).toString("base64url");
  return (payload) => {
    const signed = `${header}.${Buffer.from(payload).toString("base64url")}`;
    // RFC 7518, 3.4: the signature is r and s, 32 bytes each, not the ASN.1 that OpenSSL makes.
    const signature = sign("sha256", Buffer.from(signed), { key, dsaEncoding: "ieee-p1363" });
    return `${signed}.${signature.toString("base64url")}`;
  };
}

export interface VerifyJwsOptions {
  readonly jws: string;
  readonly trustBundle: TrustBundle;
  /** Path of the SPIFFE ID that must have signed: "/cp/runtime-manager". */
  readonly expectedSigner: string;
  readonly type: string;
  /**
   * The instant at which the chain must be valid. For a document just received: now. For one kept on disk: when it was
   * received, because a stored wish stays true after its signer's certificate has run out.
   */
  readonly at: Date;
}

export interface VerifiedJws {
  readonly payload: Uint8Array;
  readonly signer: { readonly spiffeId: string; readonly identity: SpiffeIdentity; readonly serialNumber: string };
}

/**
 * Verify signature, chain, signer and purpose.
 * @throws DrawbridgeError (unauthenticated) `JWS_INVALID` | `JWS_SIGNER_UNEXPECTED` | what `verifyChain` throws
 */
export async function verifyJws(options: VerifyJwsOptions): Promise<VerifiedJws> {
  const chain = chainOfHeader(options);
  const { certificate, spiffeId, identity, serialNumber } = verifyChain({
    chain,
    trustBundle: options.trustBundle,
    at: options.at,
  });
  if (spiffePath(identity) !== options.expectedSigner) {
    throw new DrawbridgeError({
      kind: "unauthenticated",
      code: "JWS_SIGNER_UNEXPECTED",
      message: `the document is signed by ${spiffeId}, expected ${options.expectedSigner}`,
    });
  }
  try {
    const { payload } = await compactVerify(options.jws, createPublicKey(certificate.toString()), {
      algorithms: ["ES256"],
    });
    return { payload, signer: { spiffeId, identity, serialNumber } };
  } catch (cause) {
    throw invalid("its signature does not match", cause);
  }
}

function chainOfHeader(options: VerifyJwsOptions): readonly ReturnType<typeof parseCertificate>[] {
  let header: ReturnType<typeof decodeProtectedHeader>;
  try {
    header = decodeProtectedHeader(options.jws);
  } catch (cause) {
    throw invalid("it is not a compact JWS", cause);
  }
  if (header.typ !== options.type) throw invalid(`it is not of type ${options.type}`);
  const x5c = header.x5c;
  if (!Array.isArray(x5c) || x5c.length === 0 || x5c.length > 4) throw invalid("it carries no certificate chain");
  if (!x5c.every((entry) => typeof entry === "string")) throw invalid("its certificate chain is not text");
  try {
    return x5c.map((base64) => parseCertificate(Buffer.from(base64, "base64")));
  } catch (cause) {
    throw invalid("its certificate chain cannot be read", cause);
  }
}

function invalid(what: string, cause?: unknown): DrawbridgeError {
  return new DrawbridgeError({
    kind: "unauthenticated",
    code: "JWS_INVALID",
    message: `the signed document is refused: ${what}`,
    cause,
  });
}
