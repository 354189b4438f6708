import type { ActivateRequest, ActivateResponse } from "@drawbridge/contracts/activation/v1/activation_service";
import { DrawbridgeError, isDrawbridgeError } from "@drawbridge/errors";
import { fullJitterDelayMs, type Clock, type Random } from "@drawbridge/lifecycle";
import { createCsr, generateKeyPair, importPrivateKeyPem, spkiSha256, type KeyPair } from "@drawbridge/pki";
import { agentVersion } from "../agent-version.ts";
import type { IdentityMeta } from "../identity/identity-meta.ts";
import type { IdentityStore } from "../identity/identity-store.ts";
import { storeNewIdentity, type StoreStep } from "../identity/store-new-identity.ts";
import type { TrustStore } from "../identity/trust-store.ts";
import { readFileIfPresent, writeFileAtomic } from "../state/atomic-file.ts";
import { assertNotExpired, type ActivationToken } from "./activation-token.ts";
import { checkAnswer, type Enrolment } from "./check-answer.ts";
import { registryConfig } from "./registry-config.ts";

/** Points that an activation passes, in this order; after each of them a kill and a retry end in the same identity (ACT 8). */
export type ActivationStep = "keys-saved" | "server-verified" | "answered" | StoreStep;

export interface ActivationStores {
  readonly identities: IdentityStore;
  readonly monitoring: IdentityStore;
  readonly trust: TrustStore;
  readonly recoveryKeyPath: string;
  readonly joinStatePath: string;
  readonly registryLoginPath: string;
}

export interface ActivateOptions {
  readonly token: ActivationToken;
  /** Instead of those in the token; the pins stay those of the token. */
  readonly endpoints: readonly string[];
  readonly mode: "first" | "replace";
  readonly stores: ActivationStores;
  /** One call to one endpoint. */
  readonly redeem: (
    endpoint: string,
    request: ActivateRequest,
    onVerified: () => void,
    signal: AbortSignal,
  ) => Promise<ActivateResponse>;
  readonly onStep: (step: ActivationStep) => void;
  readonly onRetry: (error: DrawbridgeError, delayMs: number) => void;
  /** Once: an operator has to approve this key, SHA-256 of its SubjectPublicKeyInfo. */
  readonly onApprovalAwaited: (error: DrawbridgeError, keySha256: string) => void;
  /** Give up when the control plane could not be reached for so long. */
  readonly timeoutMs: number;
  /** Give up when nobody has approved for so long. */
  readonly approvalTimeoutMs: number;
  readonly clock: Clock;
  readonly random: Random;
}

export type ActivationResult =
  | {
      readonly outcome: "activated";
      readonly enrolment: Enrolment;
      readonly clockSkewMs: number;
      readonly replayed: boolean;
    }
  /** This very token made the identity that is here. */
  | { readonly outcome: "already"; readonly meta: IdentityMeta };

/**
 * Turn a token into an identity (R5). Keys are made here and durable before anything is sent; the identity is in use
 * from the switch of one link on. Whatever is killed, the same command again goes on with the same keys, and the control
 * plane answers the same identity.
 * @throws DrawbridgeError `AGENT_ALREADY_ACTIVATED` (failed_precondition) and what redeeming and checking throw
 */
export async function activate(options: ActivateOptions, signal: AbortSignal): Promise<ActivationResult> {
  const { token, stores, clock, onStep } = options;
  const existing = await stores.identities.load();
  if (existing?.meta.tokenId === token.tokenId) {
    await finish(stores);
    onStep("finished");
    return { outcome: "already", meta: existing.meta };
  }
  if (existing && options.mode === "first") throw alreadyActivated(existing.meta);
  if (existing && (await isLeftover(stores.identities, existing.privateKeyPem))) await finish(stores);
  // With a key waiting, an earlier attempt may have been answered already: only the control plane knows.
  const isContinued = await stores.identities.hasNextKey();
  if (!isContinued) assertNotExpired(token, clock.now());

  const keyPair = await stores.identities.nextKey();
  const monitoringKeyPair = await stores.monitoring.nextKey();
  const recoveryKey = await obtainRecoveryKey(stores.recoveryKeyPath);
  onStep("keys-saved");

  const request: ActivateRequest = {
    token: token.text.reveal(),
    csrDer: Buffer.from(await createCsr(keyPair)),
    monitoringCsrDer: Buffer.from(await createCsr(monitoringKeyPair)),
    recoveryKeySpkiDer: Buffer.from(recoveryKey.spkiDer),
    agentVersion,
  };
  const response = await redeemWithRetry(request, {
    ...options,
    onApprovalAwaited: (error) => options.onApprovalAwaited(error, spkiSha256(keyPair.spkiDer)),
    signal,
  });
  onStep("answered");
  const now = clock.now();
  const enrolment = checkAnswer({ response, keyPair, monitoringKeyPair, pins: token.pins, now });

  // Before anything is switched, so that a kill leaves it to the next try.
  if (response.registryLogin) {
    await writeFileAtomic(stores.registryLoginPath, registryConfig(response.registryLogin));
  }
  const { fabricId, fabricName, agentId, endpoints } = enrolment;
  await storeNewIdentity(
    stores,
    {
      tunnel: enrolment.identity,
      monitoring: enrolment.monitoring,
      trustBundle: enrolment.trustBundle,
      joinState: response.joinState,
      about: { fabricId, fabricName, agentId, tokenId: token.tokenId, endpoints },
      receivedAt: enrolment.serverTime,
    },
    onStep,
  );
  const clockSkewMs = now.getTime() - enrolment.serverTime.getTime();
  return { outcome: "activated", enrolment, clockSkewMs, replayed: response.replayed };
}

/** Whether the waiting key is that of the identity in use: an activation that was killed after its last switch. */
async function isLeftover(identities: IdentityStore, privateKeyPem: string): Promise<boolean> {
  if (!(await identities.hasNextKey())) return false;
  const waiting = await identities.nextKey();
  return Buffer.from(waiting.spkiDer).equals(importPrivateKeyPem(privateKeyPem).spkiDer);
}

type Redeeming = Omit<ActivateOptions, "onApprovalAwaited"> & {
  readonly onApprovalAwaited: (error: DrawbridgeError) => void;
  readonly signal: AbortSignal;
};

async function redeemWithRetry(request: ActivateRequest, options: Redeeming): Promise<ActivateResponse> {
  const { endpoints, clock, random, signal } = options;
  const approvalEndsAtMs = clock.monotonicMs() + options.approvalTimeoutMs;
  let endsAtMs = clock.monotonicMs() + options.timeoutMs;
  let isAwaited = false;
  for (let attempt = 0; ; attempt += 1) {
    const endpoint = endpoints[attempt % endpoints.length] ?? "";
    try {
      return await options.redeem(endpoint, request, () => options.onStep("server-verified"), signal);
    } catch (error) {
      signal.throwIfAborted();
      if (!(error instanceof DrawbridgeError) || !isWorthRetrying(error)) throw error;
      const backoffMs = fullJitterDelayMs({ attempt, baseMs: 500, capMs: 10_000, floorMs: 250, random });
      const delayMs = Math.max(backoffMs, error.retryAfterMs ?? 0);
      if (isDrawbridgeError(error, "ACTIVATION_NOT_APPROVED")) {
        if (clock.monotonicMs() + delayMs >= approvalEndsAtMs) throw error;
        if (!isAwaited) options.onApprovalAwaited(error);
        isAwaited = true;
        endsAtMs = clock.monotonicMs() + delayMs + options.timeoutMs; // it was reached
      } else {
        if (clock.monotonicMs() + delayMs >= endsAtMs) throw error;
        options.onRetry(error, delayMs);
      }
      await clock.sleep(delayMs, signal);
    }
  }
}

function isWorthRetrying(error: DrawbridgeError): boolean {
  return (
    error.kind === "unavailable" ||
    error.kind === "deadline_exceeded" ||
    isDrawbridgeError(error, "ACTIVATION_RATE_LIMITED") ||
    isDrawbridgeError(error, "ACTIVATION_NOT_APPROVED")
  );
}

async function finish(stores: ActivationStores): Promise<void> {
  await stores.identities.discardNextKey();
  await stores.monitoring.discardNextKey();
}

/** The recovery key is made once and stays for the fabric's life (design R7). */
async function obtainRecoveryKey(path: string): Promise<KeyPair> {
  const pem = await readFileIfPresent(path);
  if (pem !== undefined) return importPrivateKeyPem(pem);
  const keyPair = await generateKeyPair();
  await writeFileAtomic(path, keyPair.privateKeyPem());
  return keyPair;
}

export function alreadyActivated(meta: IdentityMeta): DrawbridgeError {
  return new DrawbridgeError({
    kind: "failed_precondition",
    code: "AGENT_ALREADY_ACTIVATED",
    message: `this state folder is activated already, for fabric ${meta.fabricName} (${meta.fabricId}); use another --state-dir, or --replace to give it a new identity`,
    details: { fabricId: meta.fabricId, agentId: meta.agentId },
  });
}
