import {
  BeginRecoveryRequest,
  CompleteRecoveryRequest,
  GetTrustSuccessionRequest,
  RecoveryServiceClient,
  type BeginRecoveryResponse,
  type CompleteRecoveryResponse,
  type RecoveryServiceService,
} from "@drawbridge/contracts/activation/v1/recovery_service";
import { dial, type HttpProxy } from "@drawbridge/egress";
import { isDrawbridgeError } from "@drawbridge/errors";
import type { Clock } from "@drawbridge/lifecycle";
import { clientTlsOptions, parseCertificate, pinnedTlsOptions, spkiPin, type TrustBundle } from "@drawbridge/pki";
import { createGrpcClient, type GrpcClient } from "@drawbridge/rpc";
import type { Logger } from "@drawbridge/telemetry";
import type { EgressGate } from "../egress/egress-gate.ts";
import { connectTls } from "../net/connect-tls.ts";
import { parseHostPort } from "../net/host-port.ts";
import { pinOfShownRoot } from "./shown-root.ts";

export interface RecoveryClientOptions {
  readonly proxy: HttpProxy | undefined;
  readonly egress: EgressGate;
  readonly measuredSkewMs: () => number | undefined;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** A connection to activation that was verified before anything is sent. */
export interface RecoveryCalls {
  begin(agentId: string, signal: AbortSignal): Promise<BeginRecoveryResponse>;
  complete(request: CompleteRecoveryRequest, signal: AbortSignal): Promise<CompleteRecoveryResponse>;
}

export interface RecoveryClient {
  /**
   * Verify the server at an endpoint against the trusted roots, and work with it.
   * @throws DrawbridgeError what `work` throws | `SERVER_NOT_TRUSTED`, `SERVER_IDENTITY_UNEXPECTED`,
   *   `SERVER_CERTIFICATE_NOT_VALID_NOW` (unauthenticated) | what `dial` throws
   */
  use<T>(
    where: { readonly endpoint: string; readonly trustBundle: TrustBundle },
    work: (calls: RecoveryCalls) => Promise<T>,
    signal: AbortSignal,
  ): Promise<T>;
  /** The signed way from these roots to the current ones, from a server that may be anybody: nothing but signatures is to be believed. */
  succession(
    where: { readonly endpoint: string; readonly trustBundle: TrustBundle },
    signal: AbortSignal,
  ): Promise<readonly string[]>;
}

const expectedServer = "/cp/activation";
const connectTimeoutMs = 15_000;
const callTimeoutMs = 30_000;
/** Of GetTrustSuccessionRequest. */
const maxRoots = 8;

type Calls = GrpcClient<RecoveryServiceService>["call"];

export function createRecoveryClient(options: RecoveryClientOptions): RecoveryClient {
  const { egress, clock, logger, proxy } = options;
  const reachOf = (endpoint: string) => ({ target: parseHostPort(endpoint), proxy, timeoutMs: connectTimeoutMs });

  async function withClient<T>(
    endpoint: string,
    tlsOptions: ReturnType<typeof clientTlsOptions>,
    work: (call: Calls) => Promise<T>,
  ): Promise<T> {
    const client = createGrpcClient(RecoveryServiceClient, {
      address: endpoint,
      identity: { tlsOptions },
      expectedServer,
      logger,
      proxy: proxy ?? "none",
    });
    try {
      return await work(client.call);
    } finally {
      await client.stop(AbortSignal.timeout(1_000));
    }
  }

  function admit(endpoint: string, name: string, message: object, sizeBytes: number): void {
    egress.admit({
      peer: `activation ${endpoint}`,
      messageType: `activation.${name[0]?.toLowerCase()}${name.slice(1)}`,
      sizeBytes,
      content: { kind: "protobuf", typeName: `drawbridge.activation.v1.${name}Request`, message },
    });
  }

  return {
    async use({ endpoint, trustBundle }, work, signal) {
      const tlsOptions = clientTlsOptions({ trustBundle }, { expectedServer });
      // By hand first: gRPC would only say that there is no connection, not why.
      const { measuredSkewMs } = options;
      const verify = { ...reachOf(endpoint), peer: "activation", tlsOptions, now: () => clock.now(), measuredSkewMs };
      (await connectTls(verify, signal)).destroy();
      return withClient(endpoint, tlsOptions, (call) =>
        work({
          begin: (agentId, inner) => {
            const request = { agentId };
            admit(endpoint, "BeginRecovery", request, BeginRecoveryRequest.encode(request).finish().length);
            return call.beginRecovery(request, { signal: inner, timeoutMs: callTimeoutMs });
          },
          complete: (request, inner) => {
            admit(endpoint, "CompleteRecovery", request, CompleteRecoveryRequest.encode(request).finish().length);
            return call.completeRecovery(request, { signal: inner, timeoutMs: callTimeoutMs });
          },
        }),
      );
    },

    async succession({ endpoint, trustBundle }, signal) {
      const reach = reachOf(endpoint);
      const pins = [await pinOfShownRoot(reach, signal)];
      const limit = AbortSignal.any([signal, AbortSignal.timeout(2 * connectTimeoutMs)]);
      const { tlsOptions } = await pinnedTlsOptions(
        { ...reach.target, pins, expectedServer, openSocket: (inner) => dial(reach, inner) },
        limit,
      );
      const request = { rootSpkiSha256: pinsOf(trustBundle).slice(0, maxRoots) };
      admit(endpoint, "GetTrustSuccession", request, GetTrustSuccessionRequest.encode(request).finish().length);
      return withClient(endpoint, tlsOptions, async (call) => {
        const { links } = await call.getTrustSuccession(request, { signal, timeoutMs: callTimeoutMs });
        return links;
      });
    },
  };
}

/** SHA-256 of the public keys of a bundle's roots, base64url. */
export function pinsOf(trustBundle: Pick<TrustBundle, "rootsDer">): readonly string[] {
  return trustBundle.rootsDer.map((der) =>
    spkiPin(parseCertificate(der).publicKey.export({ format: "der", type: "spki" })),
  );
}

/** What a connection tells of a server whose root we do not know. */
export function isUnknownRoot(error: unknown): boolean {
  return isDrawbridgeError(error, "SERVER_NOT_TRUSTED");
}
