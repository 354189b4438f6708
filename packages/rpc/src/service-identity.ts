import { AuthorityServiceClient } from "@drawbridge/contracts/certs/v1/authority_service";
import { CertificateAuthorityServiceClient } from "@drawbridge/contracts/certs/v1/certificate_authority_service";
import { DrawbridgeError, isDrawbridgeError } from "@drawbridge/errors";
import {
  fullJitterDelayMs,
  retryWithBackoff,
  uuidV7Ids,
  type Clock,
  type Component,
  type HealthCheck,
  type IdSource,
  type Random,
} from "@drawbridge/lifecycle";
import {
  chainToPem,
  createCsr,
  createTrustBundle,
  generateKeyPair,
  IdentityHolder,
  loadIdentityDir,
  renewalInstant,
  saveIdentityDir,
  type IdentityMaterial,
  type IdentitySnapshot,
  type TrustBundle,
} from "@drawbridge/pki";
import { field, type Logger } from "@drawbridge/telemetry";
import { createGrpcClient } from "./grpc-client.ts";

export interface ServiceIdentityOptions {
  /** Folder with tls.crt, tls.key and trust-bundle.json. */
  readonly dir: string;
  /** Refuse files of another trust domain: they are somebody else's. */
  readonly trustDomain?: string;
  readonly certAuthority: { readonly address: string };
  /** Name of this replica, for who waits for it in a rotation of the root. Default the name of the service. */
  readonly replica?: string;
  /**
   * Hear `ctl.bundle`: trust bundle or phase have changed. May throw while the bus is away. Without it news comes within a
   * minute.
   */
  readonly trustNews?: (onHint: () => void) => { close(): Promise<void> };
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly ids?: IdSource;
}

export interface ServiceIdentity extends Component {
  readonly holder: IdentityHolder;
  /** For /readyz: says that the files are missing or that the certificate has expired. */
  readonly health: HealthCheck;
}

interface PlannedRenewal {
  readonly serialNumber: string;
  readonly renewAt: Date;
  /** By the monotonic clock. */
  readonly earliestMs: number;
}

/** How often the wall clock is looked at: a machine that slept renews soon after it wakes (design R21). */
const longestSleepMs = 15_000;
/** How often cert-authority is told what we work with (authority_service.proto), and asked what is current. */
const acknowledgeEveryMs = 60_000;
/** A certificate that was renewed because cert-authority wants it is not renewed again for this reason before that. */
const renewedAgainAfterMs = 10_000;
/** Between any two renewals, whatever the clocks say: a minute, or a tenth of the life of a certificate that lives for less. */
const leastBetweenRenewalsMs = 60_000;
/** Retry of a failed renewal: 10 s to 10 min, full jitter (design R6). */
const renewalBackoff = { baseMs: 10_000, capMs: 600_000, floorMs: 1_000 };
const shortestRetryMs = 250;
/** How often a subscription to news is tried that the bus did not take yet. */
const hearAgainMs = 1_000;

/**
 * The certificate of this service: read from its folder (waited for, as long as it takes), renewed at cert-authority at
 * half of its life, or when it should be under another root, swapped while running and saved. At the start, every minute,
 * after each change and when woken it says which trust bundle and certificate it works with, and takes over a newer
 * bundle; open connections go on. A renewal that fails changes nothing; it is tried again until it works.
 */
export function createServiceIdentity(options: ServiceIdentityOptions): ServiceIdentity {
  const { dir, clock, random } = options;
  const ids = options.ids ?? uuidV7Ids;
  const logger = options.logger.child({ [field.component]: "identity" });
  const holder = new IdentityHolder();
  const peer = {
    address: options.certAuthority.address,
    identity: holder,
    expectedServer: "/cp/cert-authority",
    logger: options.logger,
    clock,
    random,
  };
  const client = createGrpcClient(CertificateAuthorityServiceClient, peer);
  const authority = createGrpcClient(AuthorityServiceClient, peer);
  const stopping = new AbortController();
  let running: Promise<void> = Promise.resolve();
  let unsaved: IdentityMaterial | undefined;
  let isSaveFailing = false;
  let renewedAgainFromMs = -Infinity;
  let planned: PlannedRenewal | undefined;
  let subscription: { close(): Promise<void> } | undefined;
  let isWoken = false;
  let sleeping = new AbortController();

  async function load(signal: AbortSignal): Promise<void> {
    let isWaiting = false;
    const onFailure = (error: unknown): void => {
      if (!isWaiting) logger.warn({ err: error, dir }, "waiting for identity files");
      isWaiting = true;
    };
    const read = async (): Promise<void> => {
      const found = await loadIdentityDir(dir, clock.now());
      if (found.identity.trustDomain !== (options.trustDomain ?? found.identity.trustDomain)) throw foreign(dir);
      holder.replace(found, clock.now());
    };
    await retryWithBackoff(read, { clock, random, baseMs: 250, capMs: 5_000, onFailure }, signal);
    logger.info({ [field.spiffeId]: holder.get().spiffeId, not_after: holder.get().notAfter }, "identity loaded");
  }

  /** The pair in the folder, if somebody put a longer-lived one there (bootstrap after a long sleep). */
  async function adoptNewerFiles(): Promise<void> {
    const found = await loadIdentityDir(dir, clock.now()).catch(() => undefined); // not readable: what we have stays
    if (!found || found.notAfter <= holder.get().notAfter) return;
    holder.replace(found, clock.now());
    logger.info({ [field.serialNumber]: found.serialNumber }, "identity taken from its files");
  }

  async function adopt(material: IdentityMaterial): Promise<IdentitySnapshot> {
    const snapshot = holder.replace(material, clock.now());
    unsaved = material;
    await save();
    return snapshot;
  }

  /** A folder that cannot be written costs the identity at the next start, so it is tried again; renewing goes on without. */
  async function save(): Promise<void> {
    if (!unsaved) return;
    try {
      await saveIdentityDir(dir, unsaved, clock.now());
      unsaved = undefined;
      if (isSaveFailing) logger.info({ dir }, "identity saved again");
      isSaveFailing = false;
    } catch (error) {
      if (!isSaveFailing) {
        logger.error({ err: error, dir }, "the identity cannot be saved: a restart would begin with an older one");
      }
      isSaveFailing = true;
    }
  }

  async function renew(signal: AbortSignal): Promise<void> {
    const keyPair = await generateKeyPair();
    const csrDer = Buffer.from(await createCsr(keyPair));
    const request = { requestId: ids.next(), csrDer };
    const { certificate, trustBundle } = await client.call.issueServiceCertificate(request, {
      signal,
      idempotent: true,
    });
    if (!certificate || !trustBundle) throw incomplete();
    const snapshot = await adopt({
      certificateChainPem: chainToPem([certificate.certificateDer, ...certificate.chainDer]),
      privateKeyPem: keyPair.privateKeyPem(),
      trustBundle: createTrustBundle(trustBundle),
    });
    logger.info({ [field.serialNumber]: snapshot.serialNumber, not_after: snapshot.notAfter }, "certificate renewed");
  }

  /**
   * Say what we work with, and take over what is current. Resolves with when to do so again: after a change at once. What
   * was just renewed and should be once more (by a replica of cert-authority that had not noticed the change) soon.
   */
  async function acknowledge(signal: AbortSignal): Promise<number> {
    const { trustBundle, renewNow } = await askAuthority(signal);
    // With the certificate comes the bundle that it fits; a bundle alone might not hold our certificate's root any more.
    if (renewNow && clock.monotonicMs() >= renewedAgainFromMs) {
      renewedAgainFromMs = clock.monotonicMs() + renewedAgainAfterMs;
      await renew(signal);
      return 0;
    }
    const againMs = renewNow ? renewedAgainAfterMs : acknowledgeEveryMs;
    const current = holder.get();
    if (!trustBundle || trustBundle.sequence <= current.trustBundle.sequence) return againMs;
    const bundle: TrustBundle = createTrustBundle(trustBundle);
    await adopt({ ...current, trustBundle: bundle });
    logger.info({ sequence: String(bundle.sequence) }, "trust bundle replaced");
    return 0;
  }

  async function askAuthority(signal: AbortSignal) {
    const { identity, serialNumber, trustBundle } = holder.get();
    const replica = options.replica ?? (identity.kind === "service" ? identity.service : identity.kind);
    const request = {
      replica,
      trustBundleSequence: trustBundle.sequence,
      certificateSerial: serialNumber,
      renewAt: planned?.serialNumber === serialNumber ? planned.renewAt : undefined,
    };
    try {
      return await authority.call.acknowledgeTrustBundle(request, { signal, idempotent: true });
    } catch (error) {
      // A cert-authority of the version before, in the middle of an upgrade: it has a bundle, too.
      if (!isDrawbridgeError(error) || error.kind !== "unimplemented") throw error;
      return { ...(await client.call.getTrustBundle({}, { signal, idempotent: true })), renewNow: false };
    }
  }

  function wake(): void {
    isWoken = true;
    sleeping.abort();
  }

  /** The bus is often there later than we are: tried again soon, and what was said before is asked for then. */
  function hearNews(): void {
    if (subscription || !options.trustNews) return;
    try {
      subscription = options.trustNews(wake);
      isWoken = true;
    } catch {
      // Not there yet, or away.
    }
  }

  /** Sleep until it is time, or until woken: also by a bus that comes meanwhile. */
  async function sleep(ms: number, signal: AbortSignal): Promise<void> {
    for (let leftMs = ms; !isWoken; hearNews()) {
      const isDeaf = options.trustNews !== undefined && !subscription;
      const stepMs = isDeaf ? Math.min(leftMs, hearAgainMs) : leftMs;
      await sleepOnce(stepMs, signal);
      leftMs -= stepMs;
      if (leftMs <= 0) return;
    }
  }

  async function sleepOnce(ms: number, signal: AbortSignal): Promise<void> {
    sleeping = new AbortController();
    try {
      await clock.sleep(ms, AbortSignal.any([signal, sleeping.signal]));
    } catch {
      signal.throwIfAborted();
    }
  }

  /** Drawn once per certificate. One that comes while we run is new, however late it may be by this clock. */
  function planRenewal(current: IdentitySnapshot): PlannedRenewal {
    const { serialNumber, notBefore, notAfter } = current;
    const isNew = planned !== undefined;
    const received = isNew ? { receivedAt: clock.now() } : {};
    const renewAt = renewalInstant({ notBefore, notAfter, jitter: random.next(), ...received });
    const leastMs = Math.min(leastBetweenRenewalsMs, (notAfter.getTime() - notBefore.getTime()) / 10);
    return { serialNumber, renewAt, earliestMs: isNew ? clock.monotonicMs() + leastMs : -Infinity };
  }

  async function run(signal: AbortSignal): Promise<void> {
    let acknowledgeAt = clock.now();
    let failures = 0;
    for (;;) {
      hearNews();
      const current = holder.get();
      if (current.serialNumber !== planned?.serialNumber) {
        planned = planRenewal(current);
      }
      const now = clock.now();
      const renewInMs = Math.max(planned.renewAt.getTime() - now.getTime(), planned.earliestMs - clock.monotonicMs());
      if (isWoken || acknowledgeAt.getTime() - now.getTime() > acknowledgeEveryMs) acknowledgeAt = now; // or the clock went back
      isWoken = false;
      let waitMs = Math.min(longestSleepMs, Math.max(0, Math.min(renewInMs, acknowledgeAt.getTime() - now.getTime())));
      try {
        await save();
        if (renewInMs <= 0) {
          await renew(signal);
          acknowledgeAt = now;
        } else if (now >= acknowledgeAt) {
          acknowledgeAt = new Date(now.getTime() + (await acknowledge(signal)));
        }
        failures = 0;
      } catch (error) {
        signal.throwIfAborted();
        waitMs = retryDelayMs(fullJitterDelayMs({ ...renewalBackoff, attempt: failures, random }));
        if (failures === 0)
          logger.warn({ err: error, [field.delayMs]: waitMs }, "identity cannot be refreshed, will retry");
        failures += 1;
        await adoptNewerFiles();
      }
      await sleep(waitMs, signal);
    }
  }

  /** Never so long that a certificate of a drill, which lives for seconds, runs out in between. */
  function retryDelayMs(delayMs: number): number {
    const leftMs = holder.get().notAfter.getTime() - clock.now().getTime();
    return leftMs > 0 ? Math.min(delayMs, Math.max(shortestRetryMs, leftMs / 4)) : delayMs;
  }

  return {
    name: "identity",
    holder,
    health: () => {
      if (!holder.isLoaded) return `waiting for ${dir}`;
      return clock.now() < holder.get().notAfter ? undefined : "the certificate has expired";
    },
    start: async (signal) => {
      await load(AbortSignal.any([signal, stopping.signal]));
      running = run(stopping.signal).catch((error: unknown) => {
        if (!stopping.signal.aborted) throw error;
      });
    },
    stop: async (deadline) => {
      stopping.abort(new Error("stopping"));
      await running;
      await subscription?.close();
      await client.stop(deadline);
      await authority.stop(deadline);
    },
  };
}

function foreign(dir: string): DrawbridgeError {
  return new DrawbridgeError({
    kind: "failed_precondition",
    code: "IDENTITY_FOREIGN",
    message: `the identity in ${dir} is of another trust domain than the one configured`,
  });
}

function incomplete(): DrawbridgeError {
  return new DrawbridgeError({
    kind: "internal",
    code: "PEER_FAILED",
    message: "cert-authority answered without a certificate or a trust bundle",
  });
}
