import type { OutboundFetch, PolicyClock } from "../../policy-services.ts";
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
  /** Whether there are keys that may still be used. */
  isUsable(): boolean;
}

/** A token without key id may be tried against so many keys, each 0.1 ms of a thread. */
const mostCandidates = 4;

export function createStaticKeys(keys: readonly VerificationKey[]): KeySource {
  return {
    version: 0,
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

export interface RemoteKeysOptions {
  readonly url: string;
  readonly fetch: OutboundFetch;
  readonly clock: Pick<PolicyClock, "nowMs" | "monotonicMs">;
  /** Keys older than this are fetched again; until that succeeds the old ones are used, for `staleMs` more. */
  readonly ttlMs: number;
}

const fetchTimeoutMs = 5000;
const largestJwksBytes = 262_144;
/** One refresh in so long, whatever tokens ask for: a flood of invented key ids must not become a flood at the issuer. */
const refreshPauseMs = 30_000;
/** While there are no usable keys every request is refused, so we try more often. */
const firstFetchPauseMs = 2000;
const staleMs = 3_600_000;
const mostWaiting = 256;

const utf8 = new TextDecoder("utf-8", { fatal: true });

/** Keys of a JWKS document. One fetch at a time; a fetch that fails changes nothing. */
export class RemoteKeys implements KeySource {
  readonly #options: RemoteKeysOptions;
  #keys: readonly VerificationKey[] = [];
  #fingerprint = "";
  #version = 0;
  #fetchedAtMs: number | undefined;
  #attemptedAtMs = Number.NEGATIVE_INFINITY;
  #flight: Promise<void> | undefined;
  #waiting = 0;

  constructor(options: RemoteKeysOptions) {
    this.#options = options;
  }

  get version(): number {
    return this.#version;
  }

  get trustedUntilMs(): number {
    const nowMs = this.#options.clock.nowMs();
    const ageMs = this.#ageMs();
    return nowMs + (ageMs < this.#options.ttlMs ? this.#options.ttlMs - ageMs : refreshPauseMs);
  }

  candidates(keyId: string | undefined, algorithm: PublicKeyAlgorithm): readonly VerificationKey[] {
    return selectKeys(this.#keys, keyId, algorithm);
  }

  isUsable(): boolean {
    return this.#ageMs() < this.#options.ttlMs + staleMs;
  }

  refresh(reason: "unknown_key" | "routine"): Promise<void> | "busy" | undefined {
    const isUsable = this.isUsable();
    if (isUsable && reason === "routine") {
      // Fresh: nothing to do. Stale: fetched beside the requests, which go on with the keys that there are.
      if (this.#ageMs() >= this.#options.ttlMs) void this.#start();
      return undefined;
    }
    const flight = this.#start();
    if (!flight) return undefined;
    if (this.#waiting >= mostWaiting) return "busy";
    this.#waiting += 1;
    return flight.finally(() => (this.#waiting -= 1));
  }

  #ageMs(): number {
    return this.#fetchedAtMs === undefined
      ? Number.POSITIVE_INFINITY
      : this.#options.clock.monotonicMs() - this.#fetchedAtMs;
  }

  /** @returns the fetch under way, or undefined if it is too early for another. */
  #start(): Promise<void> | undefined {
    if (this.#flight) return this.#flight;
    const nowMs = this.#options.clock.monotonicMs();
    if (nowMs - this.#attemptedAtMs < (this.isUsable() ? refreshPauseMs : firstFetchPauseMs)) return undefined;
    this.#attemptedAtMs = nowMs;
    this.#flight = this.#fetch().finally(() => (this.#flight = undefined));
    return this.#flight;
  }

  async #fetch(): Promise<void> {
    try {
      const { status, body } = await this.#options.fetch({
        method: "GET",
        url: this.#options.url,
        headers: { accept: "application/jwk-set+json, application/json" },
        timeoutMs: fetchTimeoutMs,
        maximumBytes: largestJwksBytes,
      });
      if (status !== 200) return;
      const keys = keysFromJwks(JSON.parse(utf8.decode(body)));
      if (!keys) return;
      this.#take(keys);
    } catch {
      // The issuer is away or answers nonsense: the keys that there are stay, until they are too old.
    }
  }

  #take(keys: readonly VerificationKey[]): void {
    this.#fetchedAtMs = this.#options.clock.monotonicMs();
    const fingerprint = keys.map(describeKey).toSorted().join("\n");
    if (fingerprint === this.#fingerprint && this.#version > 0) return;
    this.#fingerprint = fingerprint;
    this.#keys = keys;
    this.#version += 1;
  }
}

function describeKey({ keyId, algorithms, key }: VerificationKey): string {
  return JSON.stringify([
    keyId ?? null,
    [...algorithms],
    key.export({ format: "der", type: "spki" }).toString("base64url"),
  ]);
}
