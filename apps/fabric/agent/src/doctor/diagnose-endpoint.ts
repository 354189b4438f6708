import { once } from "node:events";
import type { TLSSocket } from "node:tls";
import type { EgressLedger, HttpProxy } from "@drawbridge/egress";
import { DrawbridgeError } from "@drawbridge/errors";
import type { Clock } from "@drawbridge/lifecycle";
import { clientTlsOptions } from "@drawbridge/pki";
import { clientCertificate } from "../egress/egress-ledger.ts";
import type { AgentCredentials } from "../identity/agent-credentials.ts";
import { connectTls } from "../net/connect-tls.ts";
import { parseHostPort } from "../net/host-port.ts";
import { describeClientRefusal } from "./describe-client-refusal.ts";

/** The server speaks first (HTTP/2 SETTINGS), once it has looked at our certificate: in TLS 1.3 that is after the handshake. */
async function awaitFirstWord(
  socket: TLSSocket,
  why: () => string,
  signal: AbortSignal,
): Promise<DrawbridgeError | undefined> {
  const patience = AbortSignal.any([signal, AbortSignal.timeout(firstWordTimeoutMs)]);
  const over = new AbortController();
  const word = once(socket, "data", { signal: AbortSignal.any([patience, over.signal]) }).then(() => "heard" as const);
  const close = once(socket, "close", { signal: AbortSignal.any([patience, over.signal]) }).then(
    () => "closed" as const,
  );
  try {
    const outcome = await Promise.race([word, close]).catch(() => "silent" as const); // an error comes with a close
    if (outcome === "heard" || patience.aborted) return undefined;
    return new DrawbridgeError({
      kind: "unauthenticated",
      code: "TLS_CLIENT_REFUSED",
      message: why(),
    });
  } finally {
    over.abort(new Error("known"));
    await Promise.allSettled([word, close]);
    socket.destroy();
  }
}

const firstWordTimeoutMs = 3_000;

/**
 * Why the tunnel to an address cannot be opened, in exact words: gRPC only says that there is no connection. undefined
 * when the connection by hand succeeds.
 */
export async function diagnoseEndpoint(
  options: {
    readonly address: string;
    readonly credentials: Pick<AgentCredentials, "snapshot">;
    readonly ledger: Pick<EgressLedger, "record">;
    readonly proxy: HttpProxy | undefined;
    readonly clock: Pick<Clock, "now">;
    readonly measuredSkewMs: () => number | undefined;
  },
  signal: AbortSignal,
): Promise<DrawbridgeError | undefined> {
  const { clock } = options;
  options.ledger.record({
    peer: `runtime-manager ${options.address}`,
    messageType: "diagnosis.tls-handshake",
    sizeBytes: 0,
    fields: clientCertificate,
  });
  try {
    const identity = options.credentials.snapshot();
    const socket = await connectTls(
      {
        peer: "runtime-manager",
        target: parseHostPort(options.address),
        proxy: options.proxy,
        timeoutMs: 10_000,
        tlsOptions: clientTlsOptions(identity, { expectedServer: "/cp/runtime-manager" }),
        now: () => clock.now(),
        measuredSkewMs: options.measuredSkewMs,
      },
      signal,
    );
    const whyRefused = (): string =>
      describeClientRefusal({
        server: `runtime-manager at ${options.address}`,
        notAfter: identity.notAfter,
        now: clock.now(),
        measuredSkewMs: options.measuredSkewMs(),
      });
    return await awaitFirstWord(socket, whyRefused, signal);
  } catch (error) {
    return error instanceof DrawbridgeError ? error : undefined;
  }
}
