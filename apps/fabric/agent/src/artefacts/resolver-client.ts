import type { Readable } from "node:stream";
import type { HttpProxy, OutboundField } from "@drawbridge/egress";
import { DrawbridgeError, type ErrorKind } from "@drawbridge/errors";
import type { Clock, Component } from "@drawbridge/lifecycle";
import { clientTlsOptions, type IdentitySnapshot } from "@drawbridge/pki";
import { currentTraceparent } from "@drawbridge/telemetry";
import { Agent, request, type Dispatcher } from "undici";
import { z } from "zod";
import type { EgressGate } from "../egress/egress-gate.ts";
import { parseHostPort } from "../net/host-port.ts";
import { createTlsConnector } from "../net/tls-connector.ts";

/** A body on its way, from `startsAt` on. */
export interface Download {
  readonly body: Readable;
  readonly startsAt: number;
}

/** Fetches what the snapshot links to, over mTLS with the agent's identity (MGT 2). */
export interface ResolverClient extends Component {
  /** @throws DrawbridgeError with config-resolver's own code | `ARTEFACT_UNREACHABLE` (unavailable) and what `connectTls` throws */
  open(
    options: { readonly path: string; readonly fromByte: number; readonly what: "bundle" | "configuration" },
    signal: AbortSignal,
  ): Promise<Download>;
}

export interface ResolverClientOptions {
  /** "https://host:port" */
  readonly baseUrl: string;
  /** Taken anew for every request. */
  readonly identity: () => IdentitySnapshot;
  readonly proxy: HttpProxy | undefined;
  readonly egress: EgressGate;
  readonly clock: Clock;
  readonly measuredSkewMs: () => number | undefined;
}

const peer = "config-resolver";
const expectedServer = "/cp/config-resolver";
const connectTimeoutMs = 15_000;
/** Longest silence while waiting for the headers or between two chunks. */
const silenceTimeoutMs = 30_000;
const maxProblemBytes = 64 * 1024;

const problemSchema = z.object({
  code: z.string().max(100),
  detail: z.string().max(2_000).optional(),
  retryAfterMs: z.number().nonnegative().optional(),
});

const kindByStatus: Readonly<Record<number, ErrorKind>> = {
  400: "invalid_argument",
  401: "unauthenticated",
  403: "permission_denied",
  404: "not_found",
  409: "failed_precondition",
  416: "out_of_range",
  429: "resource_exhausted",
};

export function createResolverClient(options: ResolverClientOptions): ResolverClient {
  const { identity, proxy, egress, clock } = options;
  const base = new URL(options.baseUrl);
  const target = parseHostPort(base.port === "" ? `${base.host}:443` : base.host);
  const stopping = new AbortController();

  let pool: { readonly serialNumber: string; readonly dispatcher: Agent } | undefined;

  /** Connections of one certificate: after a renewal new ones are opened, and the old ones end with what runs on them. */
  function dispatcherFor(presented: IdentitySnapshot): Agent {
    if (pool?.serialNumber === presented.serialNumber) return pool.dispatcher;
    void pool?.dispatcher.close();
    const dispatcher = new Agent({
      connections: 8,
      keepAliveTimeout: 10_000,
      headersTimeout: silenceTimeoutMs,
      bodyTimeout: silenceTimeoutMs,
      connect: createTlsConnector(
        () => ({
          peer,
          target,
          proxy,
          timeoutMs: connectTimeoutMs,
          tlsOptions: clientTlsOptions(identity(), { expectedServer, alpnProtocols: ["http/1.1"] }),
          now: () => clock.now(),
          measuredSkewMs: options.measuredSkewMs,
        }),
        stopping.signal,
      ),
    });
    pool = { serialNumber: presented.serialNumber, dispatcher };
    return dispatcher;
  }

  return {
    name: "resolver-client",
    start: () => Promise.resolve(),
    async open({ path, fromByte, what }, signal) {
      const traceparent = currentTraceparent();
      const headers: Record<string, string> = {
        ...(fromByte > 0 ? { range: `bytes=${fromByte}-` } : {}),
        ...(traceparent === "" ? {} : { traceparent }),
      };
      admit(egress, `${peer} ${base.host}`, `${peer}.get-${what}`, { path, headers });
      const url = new URL(path, base);
      let answer: Dispatcher.ResponseData;
      try {
        answer = await request(url, { dispatcher: dispatcherFor(identity()), headers, signal });
      } catch (error) {
        signal.throwIfAborted();
        if (error instanceof DrawbridgeError) throw error;
        throw unreachable(base.host, error);
      }
      if (answer.statusCode === 200) return { body: answer.body, startsAt: 0 };
      if (answer.statusCode === 206) return { body: answer.body, startsAt: startOf(answer, fromByte) };
      throw await problemOf(answer, base.host);
    },
    async stop() {
      stopping.abort(new Error("the agent is stopping"));
      await pool?.dispatcher.destroy();
    },
  };
}

function admit(
  egress: EgressGate,
  to: string,
  messageType: string,
  request: { readonly path: string; readonly headers: Readonly<Record<string, string>> },
): void {
  const lines = [`GET ${request.path}`, ...Object.entries(request.headers).map(([name, value]) => `${name}: ${value}`)];
  const fields: OutboundField[] = [
    { path: "path", dataClass: "METADATA" },
    ...Object.keys(request.headers).map((name) => ({ path: `headers.${name}`, dataClass: "METADATA" as const })),
  ];
  egress.admit({
    peer: to,
    messageType,
    sizeBytes: Buffer.byteLength(lines.join("\r\n")),
    content: { kind: "http", fields },
  });
}

/** First byte of a partial answer (RFC 9110 14.4); a server that answers another range than asked is not used. */
function startOf(answer: Dispatcher.ResponseData, askedFrom: number): number {
  const range = answer.headers["content-range"];
  const start = /^bytes (\d+)-/.exec(typeof range === "string" ? range : "")?.[1];
  if (start !== undefined && Number(start) === askedFrom) return askedFrom;
  answer.body.destroy();
  throw new DrawbridgeError({
    kind: "unavailable",
    code: "ARTEFACT_RANGE_UNEXPECTED",
    message: `${peer} answered another part of the artefact than was asked for`,
  });
}

async function problemOf(answer: Dispatcher.ResponseData, host: string): Promise<DrawbridgeError> {
  const text = await readBounded(answer.body, maxProblemBytes);
  const parsed = problemSchema.safeParse(parseOrUndefined(text));
  const kind = kindByStatus[answer.statusCode] ?? "unavailable";
  if (!parsed.success) {
    return new DrawbridgeError({
      kind,
      code: "ARTEFACT_REFUSED",
      message: `${peer} at ${host} answered with status ${answer.statusCode}`,
    });
  }
  const header = Number(answer.headers["retry-after"]);
  const retryAfterMs = parsed.data.retryAfterMs ?? (Number.isFinite(header) ? header * 1_000 : undefined);
  return new DrawbridgeError({
    kind,
    code: parsed.data.code,
    message: parsed.data.detail ?? `${peer} at ${host} answered with status ${answer.statusCode}`,
    ...(retryAfterMs === undefined ? {} : { retryAfterMs }),
  });
}

async function readBounded(body: Readable, maxBytes: number): Promise<string> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of body) {
    if (!(chunk instanceof Uint8Array)) continue;
    size += chunk.length;
    if (size > maxBytes) break; // leaving the loop destroys the stream
    chunks.push(Buffer.from(chunk));
  }
  return Buffer.concat(chunks).toString("utf8");
}

function parseOrUndefined(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function unreachable(host: string, cause: unknown): DrawbridgeError {
  return new DrawbridgeError({
    kind: "unavailable",
    code: "ARTEFACT_UNREACHABLE",
    message: `${peer} at ${host} cannot be reached or stopped answering`,
    cause,
  });
}
