import { DrawbridgeError } from "@drawbridge/errors";
import type { KeyObject } from "node:crypto";
import {
  retryWithBackoff,
  type Clock,
  type Component,
  type HealthCheck,
  type LifecycleLogger,
  type Random,
} from "@drawbridge/lifecycle";
import {
  assertLeafTtl,
  createLeafIssuer,
  createTrustBundle,
  defaultRefreshHintSeconds,
  type LeafIssuer,
  type TrustBundle,
} from "@drawbridge/pki";
import type { StoredAuthority } from "../store/ca-key-repository.ts";

/** The authority, opened and ready to sign. */
export interface LoadedAuthority {
  readonly trustBundle: TrustBundle;
  readonly rootNotAfter: Date;
  readonly issuing: {
    readonly id: string;
    readonly certificateDer: Uint8Array;
    readonly privateKey: KeyObject;
    readonly notAfter: Date;
  };
  readonly issuer: LeafIssuer;
}

export interface LeafLife {
  readonly ttlSeconds: number;
  readonly mode: "production" | "drill";
}

export interface AuthorityOptions {
  readonly read: () => Promise<StoredAuthority | undefined>;
  readonly trustDomain: string;
  readonly leaf: LeafLife;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: LifecycleLogger;
}

export interface Authority extends Component {
  /** @throws DrawbridgeError `CA_NOT_LOADED` (unavailable) */
  get(): LoadedAuthority;
  isLoaded(): boolean;
  readonly health: HealthCheck;
}

/** Reads the CA from the store at start, and waits for as long as the bootstrap job has not made it. */
export function createAuthority(options: AuthorityOptions): Authority {
  let loaded: LoadedAuthority | undefined;

  async function load(): Promise<LoadedAuthority> {
    const stored = await options.read();
    if (stored) return loadAuthority(stored, options);
    throw new DrawbridgeError({
      kind: "unavailable",
      code: "CA_NOT_BOOTSTRAPPED",
      message: "there is no CA yet: run the bootstrap job (node src/bootstrap.ts)",
    });
  }

  return {
    name: "authority",
    isLoaded: () => loaded !== undefined,
    get: () => {
      if (loaded) return loaded;
      throw new DrawbridgeError({ kind: "unavailable", code: "CA_NOT_LOADED", message: "the CA is not loaded yet" });
    },
    health: () => {
      if (!loaded) return "the CA is not loaded yet: has the bootstrap job run?";
      return options.clock.now() < loaded.issuing.notAfter ? undefined : "the issuing CA has expired";
    },
    start: async (signal) => {
      let isWaiting = false;
      const onFailure = (error: unknown): "retry" | "stop" => {
        if (!(error instanceof DrawbridgeError) || error.kind !== "unavailable") return "stop";
        if (!isWaiting) options.logger.info({ reason: error.message }, "waiting for the CA");
        isWaiting = true;
        return "retry";
      };
      loaded = await retryWithBackoff(load, { ...options, capMs: 2_000, onFailure }, signal);
      options.logger.info(
        { trust_domain: options.trustDomain, issuing_ca_not_after: loaded.issuing.notAfter },
        "authority loaded",
      );
    },
    stop: () => Promise.resolve(),
  };
}

/**
 * Check that what is stored fits the configuration.
 * @throws DrawbridgeError `TRUST_DOMAIN_MISMATCH` (failed_precondition) | `LEAF_TTL_REFUSED` (invalid_argument)
 */
export function loadAuthority(
  stored: StoredAuthority,
  options: Pick<AuthorityOptions, "trustDomain" | "leaf">,
): LoadedAuthority {
  const { issuing, root } = stored;
  if (stored.trustDomain !== options.trustDomain) {
    throw new DrawbridgeError({
      kind: "failed_precondition",
      code: "TRUST_DOMAIN_MISMATCH",
      message: `the CA is of trust domain ${stored.trustDomain} and the configuration says ${options.trustDomain}`,
    });
  }
  const issuingTtlSeconds = Math.round((issuing.notAfter.getTime() - issuing.notBefore.getTime()) / 1000);
  assertLeafTtl({ ...options.leaf, issuingTtlSeconds });
  return {
    trustBundle: createTrustBundle({
      sequence: stored.sequence,
      trustDomain: stored.trustDomain,
      rootsDer: [root.certificateDer],
      refreshHintSeconds: defaultRefreshHintSeconds,
    }),
    rootNotAfter: root.notAfter,
    issuing,
    issuer: createLeafIssuer(issuing),
  };
}
