import { createHmac, timingSafeEqual, type KeyObject } from "node:crypto";
import { BoundedCache } from "../../bounded-cache.ts";
import type { PolicyClock } from "../../policy-services.ts";
import type { WorkQueue } from "../../work-queue.ts";
import { isPublicKeyAlgorithm, verifySignature, type PublicKeyAlgorithm } from "./algorithms.ts";
import { claimOf, findClaimProblem, type ClaimProblem, type ClaimRules } from "./claims.ts";
import { readCompactJws, type CompactJws } from "./compact-jws.ts";
import type { KeySource } from "./key-source.ts";

/** What a token is checked with: public keys, or one secret that only the operator and the issuer know (HS256). */
export type TrustedKeys =
  | { readonly kind: "public"; readonly source: KeySource; readonly algorithms: ReadonlySet<PublicKeyAlgorithm> }
  | { readonly kind: "secret"; readonly secret: KeyObject };

export type TokenProblem =
  | "malformed"
  | "algorithm"
  | "unknown_key"
  | "signature"
  | ClaimProblem
  /** The issuer says that it is not, or no longer, good. */
  | "inactive"
  /** Too many checks at once, or no keys or no answer of the issuer: nothing is known about the token. */
  | "busy"
  | "unavailable";

export type TokenVerdict =
  | { readonly isGood: true; readonly claims: Readonly<Record<string, unknown>> }
  | {
      readonly isGood: false;
      readonly problem: TokenProblem;
      /** With "unavailable": why, for the operator. */
      readonly detail?: string | undefined;
    };

/** Judges tokens. Never throws and never rejects. A promise only for a token that was not seen before. */
export interface TokenVerifier {
  verify(token: string): TokenVerdict | Promise<TokenVerdict>;
}

export interface TokenVerifierOptions {
  readonly keys: TrustedKeys;
  readonly rules: ClaimRules;
  readonly clock: Pick<PolicyClock, "nowMs">;
  readonly verifications: WorkQueue;
}

/** Only good tokens are remembered: bad ones would let a flood push the good ones out. */
const mostRemembered = 10_000;
/** Longer ones are checked each time, so that the cache has a bound in bytes too: 40 MB. */
const longestRememberedToken = 4096;
const longestMemoryMs = 300_000;

const bad = (problem: TokenProblem): TokenVerdict => ({ isGood: false, problem });

export function createTokenVerifier({ keys, rules, clock, verifications }: TokenVerifierOptions): TokenVerifier {
  const cache = new BoundedCache<TokenVerdict>(mostRemembered);
  /** Checks under way: the same token in many requests at once is verified once. */
  const underWay = new Map<string, Promise<TokenVerdict>>();
  let keysVersion = 0;

  const versionNow = () => (keys.kind === "public" ? keys.source.version : 0);

  const flushIfKeysChanged = () => {
    const version = versionNow();
    if (version === keysVersion) return;
    keysVersion = version;
    cache.clear();
  };

  const remember = (token: string, verdict: TokenVerdict, claims: CompactJws["claims"]) => {
    if (token.length > longestRememberedToken) return;
    const expiry = claimOf(claims, "exp");
    const nowMs = clock.nowMs();
    const endsAtMs = Math.min(
      typeof expiry === "number" ? expiry * 1000 : Number.POSITIVE_INFINITY,
      nowMs + longestMemoryMs,
      keys.kind === "public" ? keys.source.trustedUntilMs : Number.POSITIVE_INFINITY,
    );
    if (endsAtMs > nowMs) cache.set(token, verdict, endsAtMs);
  };

  /** @returns the version of the keys that verified it, or why it is not verified */
  const checkSignature = async (jws: CompactJws): Promise<TokenProblem | number> => {
    if (keys.kind === "secret") return verifyHs256(jws, keys.secret) ? 0 : "signature";
    const { algorithm } = jws;
    if (!isPublicKeyAlgorithm(algorithm)) return "algorithm";
    const { source } = keys;
    const routine = source.refresh("routine");
    if (routine === "busy") return "busy";
    if (routine) await routine;
    if (!source.isUsable()) return "unavailable";
    let candidates = source.candidates(jws.keyId, algorithm);
    if (candidates.length === 0) {
      const refresh = source.refresh("unknown_key");
      if (refresh === "busy") return "busy";
      if (refresh) await refresh;
      candidates = source.candidates(jws.keyId, algorithm);
      if (candidates.length === 0) return "unknown_key";
    }
    const { version } = source;
    const { signingInput, signature } = jws;
    const verified = verifications.run(async () => {
      for (const { key } of candidates) {
        if (await verifySignature(algorithm, { key, signingInput, signature })) return true;
      }
      return false;
    });
    if (!verified) return "busy";
    return (await verified) ? version : "signature";
  };

  const verifyUnseen = async (token: string, jws: CompactJws): Promise<TokenVerdict> => {
    try {
      const version = await checkSignature(jws);
      if (version === "unavailable" && keys.kind === "public")
        return { isGood: false, problem: version, detail: keys.source.failure };
      if (typeof version !== "number") return bad(version);
      const verdict: TokenVerdict = { isGood: true, claims: jws.claims };
      flushIfKeysChanged();
      // Verified by keys that were replaced meanwhile: good for this request, not remembered.
      if (version === versionNow()) remember(token, verdict, jws.claims);
      return verdict;
    } catch {
      return bad("signature");
    }
  };

  return {
    verify(token) {
      flushIfKeysChanged();
      const nowMs = clock.nowMs();
      const known = cache.get(token, nowMs);
      if (known) return known;
      const jws = readCompactJws(token);
      if (!jws) return bad("malformed");
      if (!isAllowed(jws.algorithm, keys)) return bad("algorithm");
      // Before the signature, because it costs a hundredth of it; a token that fails here would fail after it as well.
      const claimProblem = findClaimProblem(jws, rules, nowMs);
      if (claimProblem) return bad(claimProblem);
      const pending = underWay.get(token);
      if (pending) return pending;
      const check = verifyUnseen(token, jws).finally(() => underWay.delete(token));
      underWay.set(token, check);
      return check;
    },
  };
}

function isAllowed(algorithm: string, keys: TrustedKeys): boolean {
  if (keys.kind === "secret") return algorithm === "HS256";
  return isPublicKeyAlgorithm(algorithm) && keys.algorithms.has(algorithm);
}

function verifyHs256({ signingInput, signature }: CompactJws, secret: KeyObject): boolean {
  const expected = createHmac("sha256", secret).update(signingInput).digest();
  return signature.length === expected.length && timingSafeEqual(signature, expected);
}
