import { once } from "node:events";
import { isIP } from "node:net";
import { connect } from "node:tls";
import { dial, type HttpProxy } from "@drawbridge/egress";
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
  /**
   * Send a message of OTLP, gzipped, and give back the answer's bytes.
   * @throws as `checkIn`
   */
  exportMetrics(content: Uint8Array, signal: AbortSignal): Promise<Uint8Array>;
  /** Let what is under way end, then close. */
  drain(): Promise<void>;
  destroy(): void;
}

const expectedServer = "/cp/monitoring-ingest";
const connectTimeoutMs = 10_000;
const answerTimeoutMs = 10_000;
/** Longer than any interval: the server decides when a connection has been idle for too long. */
const keepAliveMs = 900_000;

const metricsHeaders = { "content-type": "application/x-protobuf", "content-encoding": "gzip" } as const;

interface Posted {
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string | Uint8Array;
}

export interface IngestConnectionOptions {
  readonly target: IngestTarget;
  readonly credentials: Credentials;
  readonly proxy: HttpProxy | undefined;
  /** Called before it leaves. */
  readonly onSent: (what: "connection" | "check-in" | "metrics", sizeBytes: number) => void;
}

export function createIngestConnection(options: IngestConnectionOptions): IngestConnection {
  const { target, credentials, onSent } = options;
  let state: "new" | "open" | "broken" = "new";
  const client = new Client(`https://${target.host.includes(":") ? `[${target.host}]` : target.host}:${target.port}`, {
    pipelining: 1,
    headersTimeout: answerTimeoutMs,
    bodyTimeout: answerTimeoutMs,
    keepAliveTimeout: keepAliveMs,
    keepAliveMaxTimeout: keepAliveMs,
    connect: (_where, done) => {
      // A second time would be a connection that nobody counted.
      if (state === "new") void open(options, done);
      else done(new Error("the connection is gone"), null);
    },
  });
  client.on("connect", () => void (state = "open"));
  client.on("disconnect", () => void (state = "broken"));

  async function post(path: string, request: Posted, signal: AbortSignal): Promise<Buffer> {
    const traceparent = currentTraceparent();
    try {
      const response = await client.request({
        method: "POST",
        path,
        headers: { ...request.headers, ...(traceparent === "" ? {} : { traceparent }) },
        body: request.body,
        signal: AbortSignal.any([signal, AbortSignal.timeout(connectTimeoutMs + 2 * answerTimeoutMs)]),
      });
      const answer = await readBounded(response.body);
      if (response.statusCode === 200) return answer;
      throw problemOf(response.statusCode, response.headers["retry-after"], answer.toString("utf8"));
    } catch (error) {
      signal.throwIfAborted();
      if (error instanceof DrawbridgeError) throw error;
      state = "broken";
      throw transportError(error, target);
    }
  }

  return {
    credentials,
    isBroken: () => state === "broken",
    checkIn: async (message, signal) => {
      const body = encodeCheckIn(message);
      onSent("check-in", Buffer.byteLength(body));
      const answer = await post("/v1/check-in", { headers: { "content-type": "application/json" }, body }, signal);
      return parseAnswer(answer.toString("utf8"));
    },
    exportMetrics: (content, signal) => {
      onSent("metrics", content.length);
      return post("/v1/metrics", { headers: metricsHeaders, body: content }, signal);
    },
    drain: () => client.close(),
    destroy: () => void client.destroy().catch(() => undefined), // it is gone either way
  };
}

async function open(options: IngestConnectionOptions, done: buildConnector.Callback): Promise<void> {
  const { target, credentials, proxy, onSent } = options;
  const limit = AbortSignal.timeout(connectTimeoutMs);
  try {
    const raw = await dial({ target, proxy, timeoutMs: connectTimeoutMs }, limit);
    onSent("connection", 0);
    const socket = connect({
      ...clientTlsOptions(credentials.identity, { expectedServer, alpnProtocols: ["http/1.1"] }),
      ...(isIP(target.host) === 0 ? { servername: target.host } : {}),
      socket: raw,
    });
    try {
      await once(socket, "secureConnect", { signal: limit });
    } catch (error) {
      socket.on("error", () => undefined).destroy(); // told already
      raw.destroy();
      throw error;
    }
    done(null, socket);
  } catch (error) {
    done(error instanceof Error ? error : new Error("no connection"), null);
  }
}
