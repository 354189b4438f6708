import { TunnelServiceClient, type Hello } from "@drawbridge/contracts/tunnel/v1/tunnel_service";
import type { HttpProxy } from "@drawbridge/egress";
import type { ConnectionOptions, DetailedPeerCertificate, PeerCertificate } from "node:tls";
import type { Clock } from "@drawbridge/lifecycle";
import { clientTlsOptions, type IdentitySnapshot } from "@drawbridge/pki";
import { createGrpcClient } from "@drawbridge/rpc";
import type { Logger } from "@drawbridge/telemetry";
import type { EgressGate } from "../egress/egress-gate.ts";
import { TunnelConnection } from "./tunnel-connection.ts";
import type { SessionHandlers, TunnelSession } from "./tunnel-session.ts";

export interface OpenSessionOptions {
  /** host:port */
  readonly address: string;
  readonly identity: IdentitySnapshot;
  readonly hello: Hello;
  readonly handlers: SessionHandlers;
  readonly egress: EgressGate;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly proxy: HttpProxy | undefined;
}

const expectedServer = "/cp/runtime-manager";
/** A signed snapshot of a thousand apps is about 1 MiB; answers to GetSnapshot may be larger than frames. */
const maxMessageBytes = 16 * 1024 * 1024;

/**
 * Dial one address and say Hello. Each attempt has a channel of its own, because grpc-js reconnects by itself after exactly
 * one second without jitter (design R13): a channel lives as long as its session and no longer.
 * @throws DrawbridgeError the server's refusal, `PEER_UNAVAILABLE`, `TUNNEL_WELCOME_TIMEOUT` (unavailable)
 */
export async function openSession(options: OpenSessionOptions, signal: AbortSignal): Promise<TunnelSession> {
  signal.throwIfAborted();
  const { address, identity, clock, egress, handlers } = options;
  const server = watchServerChain(clientTlsOptions(identity, { expectedServer }));
  const client = createGrpcClient(TunnelServiceClient, {
    address,
    identity: { tlsOptions: server.tlsOptions },
    expectedServer,
    logger: options.logger,
    maxMessageBytes,
    proxy: options.proxy ?? "none",
    clock,
  });
  const connection = new TunnelConnection({
    address,
    client,
    clock,
    egress,
    handlers,
    serverChainDer: server.chainDer,
  });
  const onAbort = (): void => connection.finish({ end: "left" });
  signal.addEventListener("abort", onAbort, { once: true });
  try {
    return await connection.open(options.hello);
  } finally {
    signal.removeEventListener("abort", onAbort);
  }
}

/** Leaf and issuing CA are what our chains have; the root is the trust bundle's. */
const chainLength = 2;

/** Remember the verified certificates that the server shows: a new trust bundle is measured against them. */
function watchServerChain(tlsOptions: ConnectionOptions): {
  readonly tlsOptions: ConnectionOptions;
  readonly chainDer: () => readonly Uint8Array[];
} {
  let chainDer: readonly Uint8Array[] = [];
  const check = tlsOptions.checkServerIdentity;
  return {
    tlsOptions: {
      ...tlsOptions,
      checkServerIdentity(host, certificate) {
        chainDer = chainOf(certificate);
        return check?.(host, certificate);
      },
    },
    chainDer: () => chainDer,
  };
}

function chainOf(certificate: PeerCertificate): readonly Uint8Array[] {
  const chain: Uint8Array[] = [];
  let next: PeerCertificate | DetailedPeerCertificate | undefined = certificate;
  while (next?.raw && chain.length < chainLength) {
    chain.push(next.raw);
    next = "issuerCertificate" in next ? next.issuerCertificate : undefined;
  }
  return chain;
}
