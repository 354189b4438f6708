import { RemoteDocument, type RemoteDocumentOptions } from "../remote-document.ts";
import type { PublicKeyAlgorithm } from "./algorithms.ts";
import { keysFromJwks, type VerificationKey } from "./verification-key.ts";

/** Where the keys of an issuer come from. */
export interface KeySource {
  /** Grows whenever the keys change: what was verified under another version is forgotten. */
  readonly version: number;
  /** Verified tokens may be remembered until then (wall clock, milliseconds). */
  readonly trustedUntilMs: number;
  /** Keys that may have signed under this key id and algorithm, at most a few. */
  candidates(keyId: string | undefined, algorithm: PublicKeyAlgorithm): readonly VerificationKey[];
  /**
   * What must be waited for before an answer of `candidates` counts: undefined when nothing can get better now, "busy" when
   * too many wait already. Resolves without rejecting; look again afterwards.
   */
  refresh(reason: "unknown_key" | "routine"): Promise<void> | "busy" | undefined;
  /** Why there are none, or no new ones, for the operator. */
  readonly failure: string | undefined;
  /** Whether there are keys that may still be used. */
  isUsable(): boolean;
}

/** A token without key id may be tried against so many keys, each 0.1 ms of a thread. */
const mostCandidates = 4;

export function createStaticKeys(keys: readonly VerificationKey[]): KeySource {
  return {
    version: 0,
    failure: undefined,
    trustedUntilMs: Number.POSITIVE_INFINITY,
    candidates: (keyId, algorithm) => selectKeys(keys, keyId, algorithm),
    refresh: () => undefined,
    isUsable: () => true,
  };
}

/** A key with the token's key id; else keys that carry none (RFC 7515, section 4.1.4 leaves it to us). */
function selectKeys(
  keys: readonly VerificationKey[],
  keyId: string | undefined,
  algorithm: PublicKeyAlgorithm,
): readonly VerificationKey[] {
  const fitting = keys.filter((key) => key.algorithms.has(algorithm));
  if (keyId === undefined) return fitting.slice(0, mostCandidates);
  const named = fitting.filter((key) => key.keyId === keyId);
  return (named.length > 0 ? named : fitting.filter((key) => key.keyId === undefined)).slice(0, mostCandidates);
}

/** Keys of a JWKS document (RFC 7517). */
export function createRemoteKeys(
  options: Pick<RemoteDocumentOptions<unknown>, "url" | "trustedRoots" | "fetch" | "clock" | "ttlMs">,
): KeySource {
  const document = new RemoteDocument<VerificationKey[]>({
    ...options,
    accept: "application/jwk-set+json, application/json",
    read: keysFromJwks,
    fingerprint: (keys) => keys.map(describeKey).toSorted().join("\n"),
  });
  return {
    get version() {
      return document.version;
    },
    get failure() {
      return document.failure;
    },
    get trustedUntilMs() {
      return document.trustedUntilMs;
    },
    candidates: (keyId, algorithm) => selectKeys(document.value ?? [], keyId, algorithm),
    refresh: (reason) => document.refresh(reason === "unknown_key" ? "wanting" : "routine"),
    isUsable: () => document.isUsable(),
  };
}

function describeKey({ keyId, algorithms, key }: VerificationKey): string {
  const bytes = key.export({ format: "der", type: "spki" });
  return JSON.stringify([keyId ?? null, [...algorithms], bytes.toString("base64url")]);
}
