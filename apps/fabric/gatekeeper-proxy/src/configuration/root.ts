import { createHash } from "node:crypto";
import { ConfigurationRoot } from "@drawbridge/contracts/apis/v1/configuration";
import { DrawbridgeError } from "@drawbridge/errors";
import { verifyJws, type TrustBundle } from "@drawbridge/pki";

/** A root whose signature was verified. */
export interface Root {
  /** "sha256:<hex>" over the JWS payload: how link and agent name it. */
  readonly digest: string;
  readonly jws: string;
  readonly fabricId: string;
  readonly incarnationId: string;
  readonly revision: bigint;
  readonly issuedAt: Date;
  /** Hex. */
  readonly indexPages: readonly string[];
}

const rootType = "drawbridge-apis+jws";
const expectedSigner = "/cp/api-manager";
/** 65,536 pages hold about four million APIs; a longer list is no root of ours. */
const mostIndexPages = 65_536;
const longestJws = 8 * 1024 * 1024;

/**
 * Verify who signed a root and for which fabric it is, and read it. The chain must have been valid when the root was signed,
 * not now: a root stays in force until there is another, also for ever without a connection, long after its signer's
 * certificate has run out.
 * @param trust.fabricId `undefined`: of any fabric
 * @throws DrawbridgeError `JWS_INVALID`, `JWS_SIGNER_UNEXPECTED`, `CERTIFICATE_*` (unauthenticated), `API_ROOT_INVALID` (data_loss)
 */
export async function verifyRoot(
  jws: string,
  trust: { readonly trustBundle: TrustBundle; readonly fabricId: string | undefined },
): Promise<Root> {
  if (jws.length > longestJws) throw invalid(`it is longer than ${longestJws} characters`);
  const claimed = decodeRoot(Buffer.from(jws.split(".")[1] ?? "", "base64url"));
  const { payload } = await verifyJws({
    jws,
    trustBundle: trust.trustBundle,
    expectedSigner,
    type: rootType,
    at: claimed.issuedAt,
  });
  const root = decodeRoot(payload);
  if (trust.fabricId !== undefined && root.fabricId !== trust.fabricId)
    throw invalid(`it is for fabric ${root.fabricId}`);
  return {
    digest: `sha256:${createHash("sha256").update(payload).digest("hex")}`,
    jws,
    fabricId: root.fabricId,
    incarnationId: root.incarnationId,
    revision: root.revision,
    issuedAt: root.issuedAt,
    indexPages: root.indexPages.map((page) => page.toString("hex")),
  };
}

/**
 * May `next` take the place of `current`? Revisions never go back; after a restore from a backup (another incarnation) what
 * was signed later counts, and for another fabric as well.
 */
export function mayFollow(next: Root, current: Root | undefined): boolean {
  if (current === undefined || next.digest === current.digest) return true;
  if (next.incarnationId !== current.incarnationId || next.fabricId !== current.fabricId)
    return next.issuedAt >= current.issuedAt;
  return next.revision > current.revision || (next.revision === current.revision && next.issuedAt >= current.issuedAt);
}

function decodeRoot(payload: Uint8Array): ConfigurationRoot & { readonly issuedAt: Date } {
  let root: ConfigurationRoot;
  try {
    root = ConfigurationRoot.fromJSON(JSON.parse(Buffer.from(payload).toString("utf8")));
  } catch (cause) {
    throw invalid("its payload cannot be read", cause);
  }
  const { issuedAt, indexPages } = root;
  if (issuedAt === undefined || Number.isNaN(issuedAt.getTime())) throw invalid("it does not say when it was signed");
  const isPowerOfTwo = (indexPages.length & (indexPages.length - 1)) === 0;
  if (indexPages.length > mostIndexPages || !isPowerOfTwo) throw invalid(`it has ${indexPages.length} index pages`);
  if (indexPages.some((page) => page.length !== 32)) throw invalid("an index page is not named by a SHA-256");
  return { ...root, issuedAt };
}

function invalid(what: string, cause?: unknown): DrawbridgeError {
  return new DrawbridgeError({
    kind: "data_loss",
    code: "API_ROOT_INVALID",
    message: `the configuration's root is refused: ${what}`,
    cause,
  });
}
