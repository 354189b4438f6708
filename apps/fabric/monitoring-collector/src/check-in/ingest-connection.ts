import { once } from "node:events";
import { connect, type TLSSocket } from "node:tls";
import { DrawbridgeError } from "@drawbridge/errors";
import { clientTlsOptions } from "@drawbridge/pki";
import { currentTraceparent } from "@drawbridge/telemetry";
import { Client, type buildConnector } from "undici";
import type { Credentials } from "../credentials/read-credentials.ts";
import { encodeCheckIn, parseAnswer, type CheckInAnswer, type CheckInMessage } from "./check-in-message.ts";
import { problemOf, readBounded, transportError } from "./check-in-errors.ts";
import type { IngestTarget } from "./ingest-target.ts";

/** One connection under one set of credentials. It is never opened again: whoever wants another makes another. */
export interface IngestConnection {
  readonly credentials: Credentials;
  /** It was open and is gone. */
  isBroken(): boolean;
  /** @throws DrawbridgeError with monitoring-ingest's own code, and what `transportError` and `parseAnswer` make */
  checkIn(message: CheckInMessage, signal: AbortSignal): Promise<CheckInAnswer>;
  /** Let what is under way end, then close. */
  drain(): Promise<void>;
  destroy(): void;
}

const expectedServer = "/cp/monitoring-ingest";
const connectTimeoutMs = 10_000;
const answerTimeoutMs = 10_000;
/** Longer than any interval: the server decides when a connection has been idle for too long. */
const keepAliveMs = 900_000;

export function createIngestConnection(target: IngestTarget, credentials: Credentials): IngestConnection {
  let state: "new" | "open" | "broken" = "new";
  const client = new Client(`https://${target.host.includes(":") ? `[${target.host}]` : target.host}:${target.port}`, {
    pipelining: 1,
    headersTimeout: answerTimeoutMs,
    bodyTimeout: answerTimeoutMs,
    keepAliveTimeout: keepAliveMs,
    keepAliveMaxTimeout: keepAliveMs,
    connect: (_where, done) => {
      // A second time would be a connection that nobody counted.
      if (state === "new") void open(target, credentials, done);
      else done(new Error("the connection is gone"), null);
    },
  });
  client.on("connect", () => void (state = "open"));
  client.on("disconnect", () => void (state = "broken"));

  async function ask(message: CheckInMessage, signal: AbortSignal): Promise<CheckInAnswer> {
    const traceparent = currentTraceparent();
    const response = await client.request({
      method: "POST",
      path: "/v1/check-in",
      headers: { "content-type": "application/json", ...(traceparent === "" ? {} : { traceparent }) },
      body: encodeCheckIn(message),
      signal: AbortSignal.any([signal, AbortSignal.timeout(connectTimeoutMs + answerTimeoutMs)]),
    });
    const text = await readBounded(response.body);
    if (response.statusCode === 200) return parseAnswer(text);
    throw problemOf(response.statusCode, response.headers["retry-after"], text);
  }

  return {
    credentials,
    isBroken: () => state === "broken",
    checkIn: async (message, signal) => {
      try {
        return await ask(message, signal);
      } catch (error) {
        signal.throwIfAborted();
        if (error instanceof DrawbridgeError) throw error;
        state = "broken";
        throw transportError(error, target);
      }
    },
    drain: () => client.close(),
    destroy: () => void client.destroy().catch(() => undefined), // it is gone either way
  };
}

async function open(target: IngestTarget, credentials: Credentials, done: buildConnector.Callback): Promise<void> {
  const socket: TLSSocket = connect({
    ...target,
    ...clientTlsOptions(credentials.identity, { expectedServer, alpnProtocols: ["http/1.1"] }),
  });
  try {
    await once(socket, "secureConnect", { signal: AbortSignal.timeout(connectTimeoutMs) });
    done(null, socket);
  } catch (error) {
    socket.on("error", () => undefined).destroy(); // told already
    done(error instanceof Error ? error : new Error("no connection"), null);
  }
}
