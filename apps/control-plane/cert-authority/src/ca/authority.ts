import { DrawbridgeError } from "@drawbridge/errors";
import {
  createLoop,
  retryWithBackoff,
  type Clock,
  type Component,
  type HealthCheck,
  type LifecycleLogger,
  type Random,
} from "@drawbridge/lifecycle";
import {
  createTrustBundle,
  defaultRefreshHintSeconds,
  type KeyPair,
  type SigningCa,
  type TrustBundle,
} from "@drawbridge/pki";
import {
  bundleRoots,
  issuingRootOf,
  issuingUnder,
  requireKey,
  versionOf,
  type Audience,
  type AuthorityState,
} from "../domain/ca-key.ts";

/** An issuing CA, opened. */
export interface OpenedCa extends SigningCa {
  readonly id: string;
  readonly notBefore: Date;
  readonly notAfter: Date;
}

/** The authority, opened and ready to sign; of one instant. */
export interface LoadedAuthority {
  readonly state: AuthorityState;
  readonly trustBundle: TrustBundle;
  /** Of the root that services are issued under. */
  readonly rootNotAfter: Date;
  /** The issuing CA that signs for an audience now. */
  issuingFor(audience: Audience): OpenedCa;
  /** Every issuing CA that is not retired, oldest first: for revocation lists, which each signs for itself. */
  readonly signers: readonly OpenedCa[];
  /** The certificate of an issuing CA, also of a retired one: the chain of what it issued. */
  issuingCertificate(issuerId: string): Uint8Array;
}

/** Where the authority is read from. */
export interface AuthoritySource {
  /** Undefined before the bootstrap. */
  state(): Promise<AuthorityState | undefined>;
  version(): Promise<string | undefined>;
  openKeys(ids: readonly string[]): Promise<ReadonlyMap<string, KeyPair>>;
}

export interface AuthorityOptions {
  readonly source: AuthoritySource;
  readonly trustDomain: string;
  readonly pollIntervalMs: number;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: LifecycleLogger & { warn(fields: object, message: string): void };
}

export interface Authority extends Component {
  /** @throws DrawbridgeError `CA_NOT_LOADED` (unavailable) */
  get(): LoadedAuthority;
  isLoaded(): boolean;
  /** As `get`, but certainly not older than this call: the version in the database is compared. */
  current(): Promise<LoadedAuthority>;
  /** Read at once; resolves when what was read is in use. */
  refresh(): Promise<LoadedAuthority>;
  /** `listener` is called when something new was loaded, and after the start. */
  onChange(listener: (loaded: LoadedAuthority) => void): void;
  readonly health: HealthCheck;
}

/**
 * The CAs in memory: read at start (waiting for as long as the bootstrap job has not made them) and again whenever their
 * version in the database has changed. What is read is used as one: bundle, phase and keys never mix.
 */
export function createAuthority(options: AuthorityOptions): Authority {
  const { source } = options;
  const listeners: ((loaded: LoadedAuthority) => void)[] = [];
  let loaded: LoadedAuthority | undefined;
  let reading: Promise<LoadedAuthority> | undefined;

  async function load(): Promise<LoadedAuthority> {
    const next = await loadAuthority(source, options.trustDomain, loaded);
    if (!loaded || versionOf(next.state) !== versionOf(loaded.state)) {
      loaded = next;
      for (const listener of listeners) listener(next);
    }
    return next;
  }

  /** One reading at a time; who asks meanwhile gets one that begins afterwards. */
  function refresh(): Promise<LoadedAuthority> {
    const next: Promise<LoadedAuthority> = (reading ?? Promise.resolve()).then(load, load);
    reading = next;
    const forget = (): void => {
      if (reading === next) reading = undefined;
    };
    next.then(forget, forget);
    return next;
  }

  async function current(): Promise<LoadedAuthority> {
    const version = await source.version();
    return loaded && version === versionOf(loaded.state) ? loaded : refresh();
  }

  let isBehind = false;
  const poll = createLoop({
    name: "authority",
    clock: options.clock,
    intervalMs: options.pollIntervalMs,
    pass: async () => {
      await current();
      isBehind = false;
    },
    onError: (error) => {
      if (!isBehind) options.logger.warn({ err: error }, "cannot look for changes of the CA, goes on with what it has");
      isBehind = true;
    },
  });

  return {
    name: "authority",
    isLoaded: () => loaded !== undefined,
    get: () => {
      if (loaded) return loaded;
      throw notLoaded();
    },
    current,
    refresh,
    onChange: (listener) => void listeners.push(listener),
    health: () => {
      if (!loaded) return "the CA is not loaded yet: has the bootstrap job run?";
      return options.clock.now() < loaded.issuingFor("service").notAfter ? undefined : "the issuing CA has expired";
    },
    start: async (signal) => {
      let isWaiting = false;
      const onFailure = (error: unknown): "retry" | "stop" => {
        if (!(error instanceof DrawbridgeError) || error.kind !== "unavailable") return "stop";
        if (!isWaiting) options.logger.info({ reason: error.message }, "waiting for the CA");
        isWaiting = true;
        return "retry";
      };
      const { state, ...loadedNow } = await retryWithBackoff(refresh, { ...options, capMs: 2_000, onFailure }, signal);
      options.logger.info(
        { trust_domain: state.trustDomain, issuing_ca_not_after: loadedNow.issuingFor("service").notAfter },
        "authority loaded",
      );
      await poll.start(signal);
    },
    stop: (deadline) => poll.stop(deadline),
  };
}

/**
 * Read and open what is there; keys that `known` holds are not opened again.
 * @throws DrawbridgeError `CA_NOT_BOOTSTRAPPED` (unavailable) | `TRUST_DOMAIN_MISMATCH` (failed_precondition) | what
 * opening keys throws
 */
export async function loadAuthority(
  source: Pick<AuthoritySource, "state" | "openKeys">,
  trustDomain: string,
  known?: LoadedAuthority,
): Promise<LoadedAuthority> {
  const state = await source.state();
  if (!state) {
    throw new DrawbridgeError({
      kind: "unavailable",
      code: "CA_NOT_BOOTSTRAPPED",
      message: "there is no CA yet: run the bootstrap job (node src/bootstrap.ts)",
    });
  }
  if (state.trustDomain !== trustDomain) {
    throw new DrawbridgeError({
      kind: "failed_precondition",
      code: "TRUST_DOMAIN_MISMATCH",
      message: `the CA is of trust domain ${state.trustDomain} and the configuration says ${trustDomain}`,
    });
  }
  const usable = state.keys.filter((key) => key.kind === "issuing" && key.state !== "retired");
  const before = new Map(known?.signers.map((signer) => [signer.id, signer]));
  const opened = await source.openKeys(usable.map(({ id }) => id).filter((id) => !before.has(id)));
  const signers = usable.flatMap(({ id, certificateDer, notBefore, notAfter }): readonly OpenedCa[] => {
    const privateKey = opened.get(id)?.privateKey;
    const fresh = privateKey && { id, certificateDer, notBefore, notAfter, privateKey };
    return [before.get(id) ?? fresh ?? []].flat(); // retired between the two readings: the next poll sees it
  });
  return {
    state,
    trustBundle: createTrustBundle({
      sequence: state.sequence,
      trustDomain,
      rootsDer: bundleRoots(state).map(({ certificateDer }) => certificateDer),
      refreshHintSeconds: defaultRefreshHintSeconds,
    }),
    rootNotAfter: requireKey(state.keys, ({ id }) => id === issuingRootOf(state, "service")).notAfter,
    signers,
    issuingFor: (audience) => {
      const active = issuingUnder(state.keys, issuingRootOf(state, audience), "active");
      const signer = signers.find(({ id }) => id === active?.id);
      if (signer) return signer;
      throw notLoaded();
    },
    issuingCertificate: (issuerId) => requireKey(state.keys, ({ id }) => id === issuerId).certificateDer,
  };
}

function notLoaded(): DrawbridgeError {
  return new DrawbridgeError({ kind: "unavailable", code: "CA_NOT_LOADED", message: "the CA is not loaded yet" });
}
