import { DrawbridgeError, toError } from "@drawbridge/errors";
import type { Clock, IdSource, Random } from "@drawbridge/lifecycle";
import { createCsr, type TrustBundle } from "@drawbridge/pki";
import { field, type Logger } from "@drawbridge/telemetry";
import { validateAtAny } from "../identity/agent-credentials.ts";
import type { IdentityMeta } from "../identity/identity-meta.ts";
import type { IdentityStore, StoredIdentity } from "../identity/identity-store.ts";
import { generationOf } from "../identity/store-new-identity.ts";
import type { TrustBundleOffer } from "../tunnel/tunnel-events.ts";
import type { TunnelSession } from "../tunnel/tunnel-session.ts";
import { checkRenewed } from "./check-renewed.ts";
import type { PendingRenewal, PendingRenewalStore } from "./pending-renewal.ts";
import type { Purpose, RenewCalls } from "./renew-calls.ts";
import { renewAtOf, retryCeilingMs } from "./renewal-schedule.ts";

/** What is renewed, and how a new one is put into use. */
export interface RenewalTarget {
  readonly purpose: Purpose;
  readonly store: Pick<IdentityStore, "read" | "stage" | "commit">;
  readonly pending: PendingRenewalStore;
  /** Of the certificate in use; undefined where there is none. */
  meta(): IdentityMeta | undefined;
  /** A certificate waits to be put into use; undefined takes it back. */
  offer(staged: StoredIdentity | undefined): void;
  /** Put a staged generation into use; durable when it resolves. */
  install(staged: StoredIdentity, signal: AbortSignal): Promise<void>;
}

export interface RenewerDeps {
  readonly target: RenewalTarget;
  readonly calls: Pick<RenewCalls, "ask">;
  readonly session: () => TunnelSession | undefined;
  readonly trustBundle: () => TrustBundle;
  readonly adoptTrustBundle: (offer: TrustBundleOffer, session: TunnelSession) => Promise<void>;
  readonly possibleNows: () => readonly Date[];
  readonly onResult: (purpose: Purpose, result: "renewed" | "failed") => void;
  readonly clock: Clock;
  readonly random: Random;
  readonly ids: IdSource;
  readonly logger: Logger;
}

/** A certificate as Hello, heartbeat and status tell of it. */
export interface Held {
  readonly purpose: Purpose;
  readonly meta: IdentityMeta;
  readonly renewAt: Date;
  /** Code of the last failed attempt; empty if the last one worked. */
  readonly lastFailure: string;
  readonly failures: number;
}

export interface CertificateRenewer {
  readonly purpose: Purpose;
  held(): Held | undefined;
  /** Look at what an earlier process left: before the first connection. */
  resume(): Promise<void>;
  /** Renew if it is time; a failure is kept for the next one. */
  tick(signal: AbortSignal): Promise<void>;
  /** Renew the certificate in use after so long, whatever its age. */
  force(afterMs: number): void;
  /** How long until there may be something to do. */
  idleMs(): number;
}

/** Refusals of the request itself, or of what it gave: the next attempt makes a new one. */
const endsRequest =
  /^(?:CSR_.*|RENEWAL_SERIAL_UNKNOWN|REQUEST_ID_REUSED|RENEWAL_ANSWER_INVALID|CERTIFICATE_UNKNOWN|CERTIFICATE_REVOKED)$/;

/**
 * Renews one certificate (design R6). Every step is durable before the next and may be repeated: a request with its key, the staged
 * generation, the switch. Invariant: the certificate in use stays until its successor has been put into use.
 */
export function createCertificateRenewer(deps: RenewerDeps): CertificateRenewer {
  const { target, clock, possibleNows } = deps;
  const { purpose } = target;
  const logger = deps.logger.child({ [field.component]: "renewal", purpose });
  let isPending = false;
  let failures = 0;
  let lastFailure = "";
  let retryAtMs = -Infinity;
  let forced: { readonly serialNumber: string; readonly atMs: number } | undefined;

  function dueInMs(): number {
    const meta = target.meta();
    if (meta === undefined) return Infinity;
    const nowMs = clock.monotonicMs();
    const isForced = forced !== undefined && forced.serialNumber === meta.serialNumber;
    const forcedInMs = isForced && forced ? forced.atMs - nowMs : Infinity;
    const latest = Math.max(...possibleNows().map((now) => now.getTime()));
    const planInMs = isPending ? 0 : renewAtOf(meta).getTime() - latest;
    return Math.max(Math.min(forcedInMs, planInMs), retryAtMs - nowMs, 0);
  }

  /** What an earlier attempt left, as far as it is still of use. */
  async function pendingFor(meta: IdentityMeta): Promise<PendingRenewal | undefined> {
    const pending = await target.pending.load();
    if (pending === undefined) return undefined;
    if (pending.stagedGeneration === meta.generation) await target.store.commit(meta.generation); // in use already
    else if (pending.currentSerial === meta.serialNumber) return pending;
    await target.pending.clear();
    return undefined;
  }

  /** The certificate that lies staged, if it is still valid: also if it is due itself, since the present one may be refused. */
  async function stagedOf({ stagedGeneration }: PendingRenewal): Promise<StoredIdentity | undefined> {
    const staged = stagedGeneration === undefined ? undefined : await target.store.read(stagedGeneration);
    if (staged === undefined) return undefined;
    try {
      validateAtAny({ ...staged, trustBundle: deps.trustBundle() }, possibleNows());
      return staged;
    } catch {
      return undefined; // expired or of a root that is gone meanwhile: another one is asked for
    }
  }

  async function obtain(meta: IdentityMeta, pending: PendingRenewal, signal: AbortSignal): Promise<StoredIdentity> {
    const session = deps.session();
    if (session === undefined) {
      throw new DrawbridgeError({
        kind: "unavailable",
        code: "TUNNEL_CLOSED",
        message: "there is no tunnel to ask over",
      });
    }
    const { requestId, keyPair } = pending;
    const csrDer = await createCsr(keyPair);
    const answer = await deps.calls.ask(
      session,
      { requestId, purpose, csrDer, currentSerial: meta.serialNumber },
      signal,
    );
    // One that is refused is told as an alert; whether the certificate fits the present one is looked at next.
    if (answer.trustBundle) await deps.adoptTrustBundle(answer.trustBundle, session).catch(() => undefined);
    const { certificatesDer } = answer;
    const identity = checkRenewed({
      certificatesDer,
      keyPair,
      trustBundle: deps.trustBundle(),
      current: meta,
      possibleNows: possibleNows(),
    });
    const { fabricId, fabricName, agentId, tokenId, endpoints } = meta;
    const about = { fabricId, fabricName, agentId, tokenId, endpoints };
    const [now = clock.now()] = possibleNows();
    const receivedAt = now >= identity.notBefore && now < identity.notAfter ? now : identity.notBefore;
    const generation = await target.store.stage(generationOf(identity, { about, receivedAt }));
    await target.pending.markStaged(pending, generation);
    const staged = await target.store.read(generation);
    if (staged === undefined) throw new Error(`generation ${generation} cannot be read back`);
    return staged;
  }

  async function attempt(signal: AbortSignal): Promise<"renewed" | "nothing to do"> {
    const meta = target.meta();
    if (meta === undefined) return "nothing to do";
    const left = await pendingFor(meta);
    isPending = left !== undefined;
    if (left === undefined && dueInMs() > 0) return "nothing to do"; // it was only to be finished
    const staged = left && (await stagedOf(left));
    const isStale = left?.stagedGeneration !== undefined && staged === undefined;
    const pending =
      left === undefined || isStale
        ? await target.pending.begin({ requestId: deps.ids.next(), currentSerial: meta.serialNumber })
        : left;
    isPending = true;
    const next = staged ?? (await obtain(meta, pending, signal));
    await target.install(next, signal);
    await target.pending.clear();
    isPending = false;
    logger.info(
      { [field.serialNumber]: next.meta.serialNumber, replaces: meta.serialNumber, not_after: next.meta.notAfter },
      "certificate renewed",
    );
    return "renewed";
  }

  async function fail(thrown: unknown): Promise<void> {
    const error = thrown instanceof DrawbridgeError ? thrown : unexpected(thrown);
    const { code } = error;
    failures += 1;
    const leftMs = new Date(target.meta()?.notAfter ?? 0).getTime() - (possibleNows()[0]?.getTime() ?? 0);
    const ceilingMs = retryCeilingMs({ failures, leftMs });
    const delayMs = Math.max(deps.random.next() * ceilingMs, 250) + Math.min(error.retryAfterMs ?? 0, 600_000);
    retryAtMs = clock.monotonicMs() + delayMs;
    const facts = { err: error, [field.attempt]: failures, [field.delayMs]: Math.round(delayMs) };
    if (code !== lastFailure) logger.warn(facts, "certificate not renewed, the present one stays in use");
    lastFailure = code;
    deps.onResult(purpose, "failed");
    if (!endsRequest.test(code)) return;
    isPending = false;
    target.offer(undefined);
    await target.pending.clear().catch(() => undefined); // begun anew over it
  }

  return {
    purpose,
    held() {
      const meta = target.meta();
      return meta && { purpose, meta, renewAt: renewAtOf(meta), lastFailure, failures };
    },
    async resume() {
      const meta = target.meta();
      const pending = meta && (await pendingFor(meta));
      isPending = pending !== undefined;
      if (pending === undefined) await target.pending.clear(); // a key or a folder of one that was only half removed
      const staged = pending && (await stagedOf(pending));
      target.offer(staged);
    },
    async tick(signal) {
      if (dueInMs() > 0 || deps.session() === undefined) return;
      try {
        if ((await attempt(signal)) === "renewed") deps.onResult(purpose, "renewed");
        failures = 0;
        lastFailure = "";
        retryAtMs = -Infinity;
      } catch (error) {
        if (!signal.aborted) await fail(error);
      }
    },
    force(afterMs) {
      const meta = target.meta();
      if (meta === undefined) return;
      const atMs = clock.monotonicMs() + afterMs;
      if (afterMs === 0) retryAtMs = -Infinity;
      if (forced?.serialNumber === meta.serialNumber && forced.atMs <= atMs) return;
      forced = { serialNumber: meta.serialNumber, atMs };
    },
    idleMs: () => (deps.session() === undefined ? Infinity : dueInMs()),
  };
}

function unexpected(thrown: unknown): DrawbridgeError {
  return new DrawbridgeError({
    kind: "internal",
    code: "RENEWAL_FAILED",
    message: "the certificate could not be stored or put into use: see the log",
    cause: toError(thrown),
  });
}
