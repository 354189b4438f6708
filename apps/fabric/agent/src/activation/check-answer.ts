import type { ActivateResponse } from "@drawbridge/contracts/activation/v1/activation_service";
import { DrawbridgeError } from "@drawbridge/errors";
import {
  chainToPem,
  createTrustBundle,
  defaultRefreshHintSeconds,
  parseCertificate,
  spkiPin,
  validateIdentity,
  type IdentitySnapshot,
  type KeyPair,
  type TrustBundle,
} from "@drawbridge/pki";
import { parseHostPort } from "../net/host-port.ts";

/** What an activation gave, checked as a whole. */
export interface Enrolment {
  readonly fabricId: string;
  readonly fabricName: string;
  readonly agentId: string;
  readonly identity: IdentitySnapshot;
  readonly monitoring: IdentitySnapshot;
  readonly trustBundle: TrustBundle;
  readonly endpoints: { readonly tunnel: string[]; readonly configResolver: string; readonly activation: string[] };
  readonly serverTime: Date;
}

export interface CheckAnswerOptions {
  readonly response: ActivateResponse;
  readonly keyPair: KeyPair;
  readonly monitoringKeyPair: KeyPair;
  readonly pins: readonly string[];
  readonly now: Date;
}

/**
 * Accept an answer only if everything in it fits: keys, chains, names, pins. Validity in time is measured by the server's clock,
 * so that a wrong clock here does not waste a single-use token; it is reported apart.
 * @throws DrawbridgeError `ACTIVATION_ANSWER_INVALID` (data_loss)
 */
export function checkAnswer(options: CheckAnswerOptions): Enrolment {
  const { response, pins } = options;
  const serverTime = response.serverTime ?? options.now;
  try {
    const trustBundle = createTrustBundle({
      sequence: response.trustBundleSequence,
      trustDomain: response.trustDomain,
      rootsDer: response.trustBundleRootsDer,
      refreshHintSeconds: defaultRefreshHintSeconds,
    });
    if (!trustBundle.rootsDer.some((der) => pins.includes(pinOf(der))))
      throw invalid("no root of it is pinned by the token");
    const check = (chainDer: readonly Uint8Array[] | undefined, keyPair: KeyPair): IdentitySnapshot =>
      validateIdentity(
        { certificateChainPem: chainToPem(chainDer ?? []), privateKeyPem: keyPair.privateKeyPem(), trustBundle },
        serverTime,
      );
    const identity = check(response.certificate?.certificatesDer, options.keyPair);
    const monitoring = check(response.monitoringCertificate?.certificatesDer, options.monitoringKeyPair);
    const { fabricId, fabricName, agentId } = response;
    if (
      identity.identity.kind !== "agent" ||
      identity.identity.fabricId !== fabricId ||
      identity.identity.agentId !== agentId
    ) {
      throw invalid("the tunnel certificate names somebody else");
    }
    if (monitoring.identity.kind !== "collector" || monitoring.identity.fabricId !== fabricId) {
      throw invalid("the monitoring certificate names somebody else");
    }
    return {
      fabricId,
      fabricName,
      agentId,
      identity,
      monitoring,
      trustBundle,
      endpoints: endpointsOf(response),
      serverTime,
    };
  } catch (error) {
    if (error instanceof DrawbridgeError && error.code === "ACTIVATION_ANSWER_INVALID") throw error;
    throw invalid(error instanceof DrawbridgeError ? error.message : "it cannot be read", error);
  }
}

function endpointsOf({ endpoints }: ActivateResponse): Enrolment["endpoints"] {
  if (!endpoints || endpoints.tunnel.length === 0) throw invalid("it names no tunnel endpoint");
  for (const address of [...endpoints.tunnel, ...endpoints.activation]) parseHostPort(address);
  if (!URL.canParse(endpoints.configResolver) || new URL(endpoints.configResolver).protocol !== "https:") {
    throw invalid("it names no https address of config-resolver");
  }
  return { tunnel: endpoints.tunnel, configResolver: endpoints.configResolver, activation: endpoints.activation };
}

function pinOf(der: Uint8Array): string {
  return spkiPin(parseCertificate(der).publicKey.export({ format: "der", type: "spki" }));
}

function invalid(what: string, cause?: unknown): DrawbridgeError {
  return new DrawbridgeError({
    kind: "data_loss",
    code: "ACTIVATION_ANSWER_INVALID",
    message: `the control plane's answer is not used: ${what}. Nothing was changed; run the same command again`,
    ...(cause === undefined ? {} : { cause }),
  });
}
