import type { CompleteRecoveryResponse } from "@drawbridge/contracts/activation/v1/recovery_service";
import { DrawbridgeError, isDrawbridgeError } from "@drawbridge/errors";
import type { Clock } from "@drawbridge/lifecycle";
import { createCsr, followTrustSuccession, importPrivateKeyPem, type KeyPair, type TrustBundle } from "@drawbridge/pki";
import { checkAnswer } from "../activation/check-answer.ts";
import { agentVersion } from "../agent-version.ts";
import { describeSkew, skewWarnMs } from "../clock/describe-skew.ts";
import type { IdentityMeta } from "../identity/identity-meta.ts";
import type { IdentityStore } from "../identity/identity-store.ts";
import { loadAgentIdentity } from "../identity/load-agent-identity.ts";
import type { Recovery, RecoveryCause } from "../identity/recovery-port.ts";
import { storeNewIdentity, type StoreStep } from "../identity/store-new-identity.ts";
import type { TrustStore } from "../identity/trust-store.ts";
import { readFileIfPresent } from "../state/atomic-file.ts";
import { acquireLock } from "../state/run-lock.ts";
import type { StateLayout } from "../state/state-layout.ts";
import { newestSerial } from "./newest-serial.ts";
import { isUnknownRoot, pinsOf, type RecoveryCalls, type RecoveryClient } from "./recovery-client.ts";
import { proveRecovery } from "./recovery-proof.ts";

/** Points that a recovery passes; a kill after any of them and a further attempt end in one identity. */
export type RecoveryStep =
  | { readonly step: "asking"; readonly endpoint: string; readonly cause: RecoveryCause }
  | { readonly step: "trust-adopted"; readonly sequence: bigint }
  | { readonly step: "server-verified" }
  | { readonly step: "challenged" }
  | { readonly step: "answered"; readonly serialNumber: string }
  | { readonly step: StoreStep };

export interface RecoveryDeps {
  readonly layout: Pick<StateLayout, "identity" | "recoveryKey" | "joinState" | "lock">;
  readonly identities: IdentityStore;
  readonly monitoring: IdentityStore;
  readonly trust: TrustStore;
  readonly client: RecoveryClient;
  readonly onStep?: (step: RecoveryStep) => void;
  readonly clock: Clock;
}

/** One attempt at one endpoint. */
interface Asking {
  readonly endpoint: string;
  readonly meta: IdentityMeta;
  /** Trusted now. */
  readonly roots: TrustBundle;
}

/** Refusals that only an operator lifts: asked again no sooner. */
const operatorMs = 60_000;

/**
 * The way back with the recovery key (REN 7). One attempt asks each activation endpoint until one answers. Keys are made here and durable
 * before anything is sent, and are used again by the next attempt, so that a lost answer is repeated; nothing of the old identity is replaced
 * before the new one is checked and stored, and its generation is kept.
 */
export function createRecovery(deps: RecoveryDeps): Recovery {
  const { clock, identities, monitoring, trust } = deps;
  const tell = (step: RecoveryStep): void => deps.onStep?.(step);
  let first = 0;

  async function recover(cause: RecoveryCause, signal: AbortSignal): Promise<void> {
    const { meta, material } = await loadAgentIdentity({ identities, trust });
    const { activation } = meta.endpoints;
    if (activation.length === 0) throw noEndpoint();
    let failure: unknown;
    for (let count = 0; count < activation.length; count += 1) {
      const endpoint = activation[(first + count) % activation.length] ?? "";
      tell({ step: "asking", endpoint, cause });
      try {
        await recoverAt({ endpoint, meta, trustBundle: material.trustBundle }, signal);
        return;
      } catch (error) {
        signal.throwIfAborted();
        failure = error;
        if (!isWorthAskingAnother(error)) throw error;
      }
    }
    first += 1; // begin with another one the next time
    throw failure;
  }

  async function recoverAt(
    {
      endpoint,
      meta,
      trustBundle,
    }: { readonly endpoint: string; readonly meta: IdentityMeta; readonly trustBundle: TrustBundle },
    signal: AbortSignal,
  ): Promise<void> {
    const ask = (roots: TrustBundle) =>
      deps.client.use(
        { endpoint, trustBundle: roots },
        (calls) => askFor(calls, { endpoint, meta, roots }, signal),
        signal,
      );
    try {
      await ask(trustBundle);
    } catch (error) {
      if (!isUnknownRoot(error)) throw error;
      const adopted = await adoptSuccession({ endpoint, trustBundle, unknown: error }, signal);
      // With the right roots the certificate itself may do.
      await ask(adopted).catch((refusal: unknown) => {
        if (!isDrawbridgeError(refusal, "RECOVERY_NOT_NEEDED")) throw refusal;
      });
    }
  }

  /** Take the current roots over where a root that is trusted now leads to them, and where they verify the server. */
  async function adoptSuccession(
    about: { readonly endpoint: string; readonly trustBundle: TrustBundle; readonly unknown: unknown },
    signal: AbortSignal,
  ): Promise<TrustBundle> {
    const { endpoint, trustBundle } = about;
    const links = await deps.client.succession({ endpoint, trustBundle }, signal);
    const next = await followTrustSuccession(trustBundle, links);
    if (next.sequence <= trustBundle.sequence) throw about.unknown;
    await deps.client.use({ endpoint, trustBundle: next }, () => Promise.resolve(), signal);
    await trust.save(next);
    tell({ step: "trust-adopted", sequence: next.sequence });
    return next;
  }

  /** The newest roots that those of now have signed, where the answer tells of newer ones; its own word is not enough. */
  async function signedRoots(
    { endpoint, roots }: Pick<Asking, "endpoint" | "roots">,
    told: bigint,
    signal: AbortSignal,
  ): Promise<TrustBundle> {
    // A replica that has not heard of the newest roots takes none back.
    if (told <= roots.sequence) return roots;
    const links = await deps.client.succession({ endpoint, trustBundle: roots }, signal);
    return followTrustSuccession(roots, links);
  }

  async function askFor(calls: RecoveryCalls, asking: Asking, signal: AbortSignal): Promise<void> {
    const { meta } = asking;
    tell({ step: "server-verified" });
    const recoveryKeyPem = await readFileIfPresent(deps.layout.recoveryKey);
    if (recoveryKeyPem === undefined) throw noRecoveryKey();
    const keyPair = await freshKey(identities);
    const monitoringKeyPair = await freshKey(monitoring);
    const certificateSerial = await newestSerial({
      directory: deps.layout.identity,
      identities,
      isRecoveryKey: (pem) => isSameKey(importPrivateKeyPem(pem), keyPair),
    });
    const challenge = await calls.begin(meta.agentId, signal);
    tell({ step: "challenged" });
    const request = proveRecovery(
      challenge,
      {
        challengeId: challenge.challengeId,
        agentId: meta.agentId,
        csrDer: Buffer.from(await createCsr(keyPair)),
        monitoringCsrDer: Buffer.from(await createCsr(monitoringKeyPair)),
        certificateSerial,
        joinState: (await readFileIfPresent(deps.layout.joinState)) ?? "",
        agentVersion,
      },
      recoveryKeyPem,
    );
    let response: CompleteRecoveryResponse;
    try {
      response = await calls.complete(request, signal);
    } catch (error) {
      throw withAdvice(error, challenge.serverTime, clock.now());
    }
    await store(response, { ...asking, keyPair, monitoringKeyPair }, signal);
  }

  async function store(
    { identity: answer }: CompleteRecoveryResponse,
    asked: Asking & { readonly keyPair: KeyPair; readonly monitoringKeyPair: KeyPair },
    signal: AbortSignal,
  ): Promise<void> {
    const { keyPair, monitoringKeyPair, meta, roots } = asked;
    if (answer === undefined) throw answerInvalid("it holds no identity");
    const enrolment = checkAnswer({
      response: answer,
      keyPair,
      monitoringKeyPair,
      pins: pinsOf(roots),
      now: clock.now(),
    });
    if (enrolment.agentId !== meta.agentId || enrolment.fabricId !== meta.fabricId)
      throw answerInvalid("it is for another agent");
    tell({ step: "answered", serialNumber: enrolment.identity.serialNumber });
    const { fabricId, fabricName, agentId, endpoints } = enrolment;
    const trustBundle = await signedRoots(asked, enrolment.trustBundle.sequence, signal);
    await storeNewIdentity(
      { identities, monitoring, trust, joinStatePath: deps.layout.joinState },
      {
        tunnel: enrolment.identity,
        monitoring: enrolment.monitoring,
        trustBundle,
        joinState: answer.joinState,
        about: { fabricId, fabricName, agentId, tokenId: meta.tokenId, endpoints },
        receivedAt: enrolment.serverTime,
      },
      (step) => tell({ step }),
    );
  }

  return {
    async recover(cause, signal) {
      // The agent and `drawbridge-agent recover` may both try: their join states would cross.
      const lock = await acquireLock({ path: `${deps.layout.lock}.recover`, purpose: "A recovery", now: clock.now() });
      try {
        await recover(cause, signal);
      } finally {
        await lock.release();
      }
    },
  };
}

/** The key that waits, unless it is the one in use already: a recovery that was killed after its last switch left it. */
async function freshKey(store: IdentityStore): Promise<KeyPair> {
  const current = await store.load();
  const waiting = await store.nextKey();
  if (current === undefined || !isSameKey(importPrivateKeyPem(current.privateKeyPem), waiting)) return waiting;
  await store.discardNextKey();
  return store.nextKey();
}

function isSameKey(one: KeyPair, other: KeyPair): boolean {
  return Buffer.from(one.spkiDer).equals(other.spkiDer);
}

/** Another replica or address may be up; a refusal is the same everywhere. */
function isWorthAskingAnother(error: unknown): boolean {
  return (
    error instanceof DrawbridgeError &&
    (error.kind === "unavailable" || error.kind === "deadline_exceeded" || error.code.startsWith("SERVER_"))
  );
}

const operators: ReadonlySet<string> = new Set([
  "RECOVERY_MANUAL_ONLY",
  "RECOVERY_LIMIT_REACHED",
  "RECOVERY_TOO_LATE",
  "RECOVERY_REFUSED",
  "RECOVERY_NOT_NEEDED",
]);

/** What people need to know about a refusal, and when to ask again. */
function withAdvice(error: unknown, serverTime: Date | undefined, now: Date): unknown {
  if (!(error instanceof DrawbridgeError) || !operators.has(error.code)) return error;
  const skewMs = serverTime === undefined ? 0 : now.getTime() - serverTime.getTime();
  const clock = Math.abs(skewMs) >= skewWarnMs ? `; your clock is ${describeSkew(skewMs)} of the control plane's` : "";
  return new DrawbridgeError({
    kind: error.kind,
    code: error.code,
    message: `${error.message}${clock}`,
    details: error.details,
    retryAfterMs: operatorMs,
    cause: error,
  });
}

function noEndpoint(): DrawbridgeError {
  return new DrawbridgeError({
    kind: "failed_precondition",
    code: "RECOVERY_NO_ENDPOINT",
    message: "this agent was never told where to recover: activate it again with a new token (--replace)",
    retryAfterMs: operatorMs,
  });
}

function noRecoveryKey(): DrawbridgeError {
  return new DrawbridgeError({
    kind: "failed_precondition",
    code: "RECOVERY_KEY_MISSING",
    message: "the recovery key is not in the state folder: activate this agent again with a new token (--replace)",
    retryAfterMs: operatorMs,
  });
}

function answerInvalid(what: string): DrawbridgeError {
  return new DrawbridgeError({
    kind: "data_loss",
    code: "ACTIVATION_ANSWER_INVALID",
    message: `the control plane's answer is not used: ${what}. Nothing was changed`,
  });
}
