import {
  ActivateRequest,
  ActivationServiceClient,
  type ActivateResponse,
} from "@drawbridge/contracts/activation/v1/activation_service";
import { dial, type HttpProxy } from "@drawbridge/egress";
import { isDrawbridgeError } from "@drawbridge/errors";
import type { Clock } from "@drawbridge/lifecycle";
import { pinnedTlsOptions } from "@drawbridge/pki";
import { createGrpcClient } from "@drawbridge/rpc";
import type { Logger } from "@drawbridge/telemetry";
import type { EgressGate } from "../egress/egress-gate.ts";
import { connectTls } from "../net/connect-tls.ts";
import { parseHostPort } from "../net/host-port.ts";

export interface RedeemOptions {
  /** host:port */
  readonly endpoint: string;
  readonly pins: readonly string[];
  readonly request: ActivateRequest;
  readonly proxy: HttpProxy | undefined;
  readonly egress: EgressGate;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly onVerified: () => void;
}

const expectedServer = "/cp/activation";
const connectTimeoutMs = 15_000;
const callTimeoutMs = 30_000;

/**
 * Redeem a token at one endpoint. The server is verified by pin and SPIFFE ID before anything of the token is sent.
 * @throws DrawbridgeError the server's refusal | `PIN_MISMATCH`, `SERVER_IDENTITY_UNEXPECTED`, `SERVER_CERTIFICATE_NOT_VALID_NOW`
 *   (unauthenticated) | what `dial` throws
 */
export async function redeemToken(options: RedeemOptions, signal: AbortSignal): Promise<ActivateResponse> {
  const { endpoint, request, clock, logger, egress } = options;
  const target = parseHostPort(endpoint);
  const reach = { target, proxy: options.proxy, timeoutMs: connectTimeoutMs };
  const limit = AbortSignal.any([signal, AbortSignal.timeout(2 * connectTimeoutMs)]);
  const { tlsOptions } = await pinnedTlsOptions(
    { ...target, pins: options.pins, expectedServer, openSocket: (inner) => dial(reach, inner) },
    limit,
  );
  options.onVerified();
  const client = createGrpcClient(ActivationServiceClient, {
    address: endpoint,
    identity: { tlsOptions },
    expectedServer,
    logger,
    proxy: options.proxy ?? "none",
  });
  egress.admit({
    peer: `activation ${endpoint}`,
    messageType: "activation.activate",
    sizeBytes: ActivateRequest.encode(request).finish().length,
    content: { kind: "protobuf", typeName: "drawbridge.activation.v1.ActivateRequest", message: request },
  });
  try {
    return await client.call.activate(request, { signal, timeoutMs: callTimeoutMs });
  } catch (error) {
    // gRPC says only that there is no connection; the same handshake by hand says why.
    if (!isDrawbridgeError(error, "PEER_UNAVAILABLE")) throw error;
    const socket = await connectTls(
      { ...reach, peer: "activation", tlsOptions, now: () => clock.now(), measuredSkewMs: () => undefined },
      signal,
    );
    socket.destroy();
    throw error;
  } finally {
    await client.stop(AbortSignal.timeout(1_000));
  }
}
