import { DrawbridgeError } from "@drawbridge/errors";
import type { Clock } from "@drawbridge/lifecycle";
import { clientTlsOptions } from "@drawbridge/pki";
import { clientCertificate, type EgressLedger } from "../egress/egress-ledger.ts";
import type { AgentCredentials } from "../identity/agent-credentials.ts";
import { connectTls } from "../net/connect-tls.ts";
import type { HttpProxy } from "../net/dial.ts";
import { parseHostPort } from "../net/host-port.ts";

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
    const socket = await connectTls(
      {
        peer: "runtime-manager",
        target: parseHostPort(options.address),
        proxy: options.proxy,
        timeoutMs: 10_000,
        tlsOptions: clientTlsOptions(options.credentials.snapshot(), { expectedServer: "/cp/runtime-manager" }),
        now: () => clock.now(),
        measuredSkewMs: options.measuredSkewMs,
      },
      signal,
    );
    socket.destroy();
    return undefined;
  } catch (error) {
    return error instanceof DrawbridgeError ? error : undefined;
  }
}
