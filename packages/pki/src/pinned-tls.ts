import { once } from "node:events";
import type { Socket } from "node:net";
import { connect, type ConnectionOptions, type TLSSocket } from "node:tls";
import type { X509Certificate } from "node:crypto";
import { DrawbridgeError } from "@drawbridge/errors";
import { parseCertificate } from "./certificate.ts";
import { spkiPin } from "./key-pair.ts";
import { clientTlsOptions, serverPathOf, unexpectedServer } from "./tls-options.ts";
import { createTrustBundle, defaultRefreshHintSeconds, type TrustBundle } from "./trust-bundle.ts";

export interface PinnedTlsOptions {
  readonly host: string;
  readonly port: number;
  /** SHA-256 of the SubjectPublicKeyInfo of roots, base64url; one match is enough. */
  readonly pins: readonly string[];
  /** "/cp/activation". */
  readonly expectedServer: string;
  /** Default ["h2"]. */
  readonly alpnProtocols?: readonly string[];
  /** Opens the TCP connection, for example through a proxy. Default: straight to host and port. */
  readonly openSocket?: (signal: AbortSignal) => Promise<Socket>;
}

/** Trust that grew from a pin. `sequence` of the bundle is 0: the first real bundle replaces it. */
export interface PinnedTrust {
  readonly trustBundle: TrustBundle;
  /** For the connection that is used: OpenSSL verifies its chain to the pinned root and nothing else. */
  readonly tlsOptions: ConnectionOptions;
}

/**
 * Turn pins into trust: ask the server for its chain, keep the roots whose key is pinned, and answer options that trust
 * only those. Nothing is sent over the asking connection, and nothing that it says is believed except a certificate with
 * a pinned key; the chain is verified by OpenSSL on the next connection, not by us.
 * @throws DrawbridgeError `PIN_MISMATCH` (unauthenticated) | `SERVER_IDENTITY_UNEXPECTED` (unauthenticated) |
 * `SERVER_UNREACHABLE` (unavailable)
 */
export async function pinnedTlsOptions(options: PinnedTlsOptions, signal: AbortSignal): Promise<PinnedTrust> {
  const chain = await fetchChain(options, signal);
  const [leaf] = chain;
  const rootsDer = chain
    .filter((certificate) => isPinned(certificate, options.pins))
    .map((certificate) => new Uint8Array(certificate.raw));
  if (!leaf || rootsDer.length === 0) {
    throw new DrawbridgeError({
      kind: "unauthenticated",
      code: "PIN_MISMATCH",
      message: `the server at ${options.host}:${options.port} shows no root with a pinned key: it is not the control plane that made the pin, or something terminates TLS in between`,
    });
  }
  const server = serverPathOf(leaf);
  if (server.path !== options.expectedServer) throw unexpectedServer(options.expectedServer, server.path);
  const trustBundle = createTrustBundle({
    sequence: 0n,
    trustDomain: server.trustDomain,
    rootsDer,
    refreshHintSeconds: defaultRefreshHintSeconds,
  });
  return { trustBundle, tlsOptions: clientTlsOptions({ trustBundle }, options) };
}

function isPinned(certificate: X509Certificate, pins: readonly string[]): boolean {
  const spkiDer = certificate.publicKey.export({ format: "der", type: "spki" });
  return certificate.ca && certificate.checkIssued(certificate) && pins.includes(spkiPin(spkiDer));
}

async function fetchChain(options: PinnedTlsOptions, signal: AbortSignal): Promise<readonly X509Certificate[]> {
  let socket: TLSSocket | undefined;
  try {
    signal.throwIfAborted();
    const opened = await options.openSocket?.(signal);
    socket = connect({
      ...(opened ? { socket: opened } : { host: options.host, port: options.port }),
      minVersion: "TLSv1.3",
      maxVersion: "TLSv1.3",
      ALPNProtocols: [...(options.alpnProtocols ?? ["h2"])],
      rejectUnauthorized: false, // only to see the chain; nothing is sent
    });
    await once(socket, "secureConnect", { signal });
    return chainOf(socket);
  } catch (cause) {
    signal.throwIfAborted();
    if (cause instanceof DrawbridgeError) throw cause; // the opener of the socket knows better why
    throw new DrawbridgeError({
      kind: "unavailable",
      code: "SERVER_UNREACHABLE",
      message: `no TLS 1.3 connection to ${options.host}:${options.port}`,
      cause,
    });
  } finally {
    socket?.destroy();
  }
}

const longestChain = 8;

function chainOf(socket: TLSSocket): readonly X509Certificate[] {
  const chain: X509Certificate[] = [];
  let next = socket.getPeerCertificate(true);
  while (next?.raw && chain.length < longestChain) {
    chain.push(parseCertificate(next.raw));
    if (next.issuerCertificate === next) break; // Node links a self-signed root to itself
    next = next.issuerCertificate;
  }
  return chain;
}
