import { createPublicKey, sign, type KeyObject } from "node:crypto";
import { DrawbridgeError } from "@drawbridge/errors";
import { compactVerify, decodeProtectedHeader } from "jose";
import { parseCertificate } from "./certificate.ts";
import { spkiPin } from "./key-pair.ts";
import { createTrustBundle, type TrustBundle } from "./trust-bundle.ts";

/** Header `typ`: a signature by a root for any other purpose is none for this one. */
const succession = "drawbridge-trust-succession+jws";
/** Of links that anybody may send us: a rotation has two or three. */
const maxLinks = 256;
const maxLinkCharacters = 64 * 1024;

export interface SignSuccessionOptions {
  readonly trustBundle: TrustBundle;
  /** A root of the bundle before. */
  readonly root: { readonly spkiDer: Uint8Array; readonly privateKey: KeyObject };
  readonly issuedAt: Date;
}

/** One link: the next trust bundle, signed by a root that the bundle before held. Compact JWS (RFC 7515), ES256. */
export function signTrustSuccession({ trustBundle, root, issuedAt }: SignSuccessionOptions): string {
  const header = { alg: "ES256", typ: succession, kid: spkiPin(root.spkiDer) };
  const payload = {
    trust_domain: trustBundle.trustDomain,
    spiffe_sequence: Number(trustBundle.sequence),
    spiffe_refresh_hint: trustBundle.refreshHintSeconds,
    roots: trustBundle.rootsDer.map((der) => Buffer.from(der).toString("base64")),
    issued_at: issuedAt.toISOString(),
  };
  const encode = (part: object): string => Buffer.from(JSON.stringify(part)).toString("base64url");
  const signed = `${encode(header)}.${encode(payload)}`;
  // RFC 7518, 3.4: r and s, 32 bytes each.
  const signature = sign("sha256", Buffer.from(signed), { key: root.privateKey, dsaEncoding: "ieee-p1363" });
  return `${signed}.${signature.toString("base64url")}`;
}

/**
 * Follow the links from a bundle that is trusted to the last one. Each must be signed by a root of the bundle before it,
 * be of the same trust domain and have a higher sequence. Where they came from does not matter: nothing but the
 * signatures is believed. The instant of signing is not compared with a clock: who was away may have lost the time.
 * @throws DrawbridgeError `TRUST_SUCCESSION_INVALID` (unauthenticated)
 */
export async function followTrustSuccession(trusted: TrustBundle, links: readonly string[]): Promise<TrustBundle> {
  if (links.length > maxLinks) throw invalid(`it has more than ${maxLinks} links`);
  let bundle = trusted;
  for (const link of links) bundle = await follow(bundle, link);
  return bundle;
}

async function follow(bundle: TrustBundle, link: string): Promise<TrustBundle> {
  if (link.length > maxLinkCharacters) throw invalid("a link is too long");
  const signer = signerOf(bundle, link);
  let next: TrustBundle;
  try {
    const { payload } = await compactVerify(link, signer, { algorithms: ["ES256"] });
    next = bundleFromPayload(Buffer.from(payload).toString());
  } catch (cause) {
    throw cause instanceof DrawbridgeError ? cause : invalid("a signature does not match", cause);
  }
  if (next.trustDomain !== bundle.trustDomain) throw invalid("a link is of another trust domain");
  if (next.sequence <= bundle.sequence) throw invalid("a link is older than the bundle that it follows");
  return next;
}

function signerOf(bundle: TrustBundle, link: string): KeyObject {
  let header: ReturnType<typeof decodeProtectedHeader>;
  try {
    header = decodeProtectedHeader(link);
  } catch (cause) {
    throw invalid("a link is not a compact JWS", cause);
  }
  if (header.typ !== succession) throw invalid(`a link is not of type ${succession}`);
  const root = bundle.rootsDer
    .map((der) => parseCertificate(der))
    .find(({ publicKey }) => spkiPin(publicKey.export({ format: "der", type: "spki" })) === header.kid);
  if (!root) throw invalid("a link is signed by a root that is not trusted");
  return createPublicKey(root.toString());
}

function bundleFromPayload(text: string): TrustBundle {
  const json: unknown = JSON.parse(text);
  if (typeof json !== "object" || json === null) throw invalid("a link says nothing");
  const { trust_domain, spiffe_sequence, spiffe_refresh_hint, roots } = json as Record<string, unknown>; // an object
  const areNumbers = [spiffe_sequence, spiffe_refresh_hint].every((value) => Number.isSafeInteger(value));
  if (!areNumbers || typeof trust_domain !== "string") throw invalid("a link is not complete");
  if (!Array.isArray(roots) || !roots.every((root) => typeof root === "string")) throw invalid("a link has no roots");
  return createTrustBundle({
    trustDomain: trust_domain,
    sequence: BigInt(Number(spiffe_sequence)),
    refreshHintSeconds: Number(spiffe_refresh_hint),
    rootsDer: roots.map((root) => new Uint8Array(Buffer.from(root, "base64"))),
  });
}

function invalid(what: string, cause?: unknown): DrawbridgeError {
  return new DrawbridgeError({
    kind: "unauthenticated",
    code: "TRUST_SUCCESSION_INVALID",
    message: `the way to the current roots is refused: ${what}`,
    cause,
  });
}
