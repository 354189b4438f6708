import { toError } from "@drawbridge/errors";
import type { buildConnector } from "undici";
import { connectTls, type ConnectTlsOptions } from "./connect-tls.ts";

/** A connector for undici that dials our way: through the proxy, TLS 1.3, server verified by SPIFFE ID, errors in words. */
export function createTlsConnector(options: () => ConnectTlsOptions, signal: AbortSignal): buildConnector.connector {
  return (_where, done) => void connect(options, signal, done);
}

async function connect(
  options: () => ConnectTlsOptions,
  signal: AbortSignal,
  done: buildConnector.Callback,
): Promise<void> {
  let socket: Awaited<ReturnType<typeof connectTls>>;
  try {
    socket = await connectTls(options(), signal);
  } catch (error) {
    done(toError(error), null);
    return;
  }
  done(null, socket);
}
