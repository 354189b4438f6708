import { Readable } from "node:stream";
import { DrawbridgeError, errorKinds } from "@drawbridge/errors";
import type { Component } from "@drawbridge/lifecycle";
import { clientTlsOptions, type IdentityHolder } from "@drawbridge/pki";
import { currentTraceparent } from "@drawbridge/telemetry";
import { Agent, buildConnector, type Dispatcher } from "undici";
import { z } from "zod";
import { peerUnavailable } from "./peer.ts";

export interface BundleUpload {
  readonly digest: string;
  /** Where the bytes begin in the bundle. */
  readonly offset: number;
  readonly totalBytes: number;
  /** How many bytes there are, if known. */
  readonly contentLength?: number;
  readonly bytes: Readable;
  readonly signal: AbortSignal;
}

/** Bundles on their way to config-resolver, streamed: never in memory as a whole, as fast as the slower side. */
export interface BundleTransfer extends Component {
  probe(
    digest: string,
    signal: AbortSignal,
  ): Promise<
    | { readonly outcome: "stored"; readonly sizeBytes: number }
    | { readonly outcome: "partial"; readonly offset: number }
  >;
  append(upload: BundleUpload): Promise<{ readonly outcome: "complete" | "partial"; readonly offset: number }>;
}

const connectTimeoutMs = 5_000;
const probeTimeoutMs = 10_000;
/** An upload on a slow line; the client resumes what did not fit. */
const uploadTimeoutMs = 3_600_000;

const offsetHeader = z.coerce.number().int().min(0);

export function createBundleTransfer(options: {
  /** host:port of config-resolver's internal HTTPS listener. */
  readonly address: string;
  readonly identity: IdentityHolder;
}): BundleTransfer {
  const { address, identity } = options;
  const origin = `https://${address}`;
  let agent = openAgent(identity);
  // New connections show the new certificate; the old ones end with their last request.
  const stopWatching = identity.onChange(() => {
    const old = agent;
    agent = openAgent(identity);
    old.close().catch(() => undefined); // its requests report their own errors
  });

  async function request(
    method: "HEAD" | "PATCH",
    digest: string,
    rest: Pick<Dispatcher.RequestOptions, "headers" | "body" | "signal" | "headersTimeout">,
    signal: AbortSignal,
  ): Promise<Dispatcher.ResponseData> {
    try {
      return await agent.request({ origin, method, path: `/v1/bundles/${digest}`, ...rest, signal });
    } catch (error) {
      signal.throwIfAborted();
      throw peerUnavailable("config-resolver", error);
    }
  }

  return {
    name: "bundle transfer",
    start: () => Promise.resolve(),
    stop: async () => {
      stopWatching();
      await agent.destroy();
    },

    probe: async (digest, signal) => {
      const headers = traceHeaders();
      const answer = await request("HEAD", digest, { headers, headersTimeout: probeTimeoutMs }, signal);
      await answer.body.dump();
      const offset = offsetHeader.safeParse(answer.headers["upload-offset"]);
      switch (answer.statusCode) {
        case 200:
          return { outcome: "stored", sizeBytes: offsetHeader.parse(answer.headers["content-length"]) };
        case 404:
          return { outcome: "partial", offset: offset.success ? offset.data : 0 };
        default:
          throw unexpected(answer.statusCode);
      }
    },

    append: async ({ digest, offset, totalBytes, contentLength, bytes, signal }) => {
      const headers = {
        ...traceHeaders(),
        "content-type": "application/octet-stream",
        "upload-offset": String(offset),
        "upload-length": String(totalBytes),
        ...(contentLength === undefined ? {} : { "content-length": String(contentLength) }),
      };
      const rest = { headers, body: Readable.from(chunksOf(bytes)), headersTimeout: uploadTimeoutMs };
      const answer = await request("PATCH", digest, rest, signal);
      if (answer.statusCode !== 201 && answer.statusCode !== 204) throw await refusalOf(answer);
      await answer.body.dump();
      const outcome = answer.statusCode === 201 ? "complete" : "partial";
      const reached = offsetHeader.safeParse(answer.headers["upload-offset"]);
      return { outcome, offset: reached.success ? reached.data : totalBytes };
    },
  };
}

/**
 * The bytes, without handing out their stream: undici destroys the body of a request that was refused early, and with it
 * would go the client's connection, before the client could read why.
 */
async function* chunksOf(bytes: Readable): AsyncGenerator<Buffer> {
  yield* bytes.iterator({ destroyOnReturn: false });
}

function openAgent(identity: IdentityHolder): Agent {
  return new Agent({
    connect: (connection, callback) => {
      const tls = clientTlsOptions(identity.get(), {
        expectedServer: "/cp/config-resolver",
        alpnProtocols: ["http/1.1"],
      });
      // undici's type forbids the explicit undefined that Node's own ConnectionOptions allows; the options are Node's.
      const settings = { ...tls, timeout: connectTimeoutMs } as buildConnector.BuildOptions;
      buildConnector(settings)(connection, callback);
    },
  });
}

function traceHeaders(): Record<string, string> {
  const traceparent = currentTraceparent();
  return traceparent === "" ? {} : { traceparent };
}

const problem = z.object({
  code: z.string().regex(/^[A-Z][A-Z0-9_]{1,99}$/),
  /** An earlier release does not say. */
  kind: z.enum(errorKinds).catch("invalid_argument"),
  detail: z.string(),
  details: z.record(z.string(), z.string()).optional(),
  retryAfterMs: z.number().optional(),
});
const maxProblemBytes = 65_536;

/** What is not the caller's business: what it says of us, and that it has a bug. */
const notForCallers = new Set([401, 403, 500]);

/** The error in a problem+json answer, as config-resolver meant it. */
async function refusalOf(answer: Dispatcher.ResponseData): Promise<DrawbridgeError> {
  const text = await readBounded(answer.body);
  const parsed = problem.safeParse(parseJson(text));
  if (notForCallers.has(answer.statusCode) || !parsed.success) return unexpected(answer.statusCode);
  const { code, kind, detail, details, retryAfterMs } = parsed.data;
  return new DrawbridgeError({
    kind,
    code,
    message: detail,
    ...(details ? { details } : {}),
    ...(retryAfterMs === undefined ? {} : { retryAfterMs }),
  });
}

async function readBounded(body: Dispatcher.ResponseData["body"]): Promise<string> {
  const chunks: Buffer[] = [];
  let sizeBytes = 0;
  for await (const chunk of body) {
    const bytes: Buffer = chunk; // undici gives Buffers as long as no encoding is set
    sizeBytes += bytes.length;
    if (sizeBytes > maxProblemBytes) break;
    chunks.push(bytes);
  }
  return Buffer.concat(chunks).toString("utf8");
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined; // not JSON: the status is all that is known
  }
}

function unexpected(statusCode: number): DrawbridgeError {
  return new DrawbridgeError({
    kind: "internal",
    code: "PEER_FAILED",
    message: "the config-resolver service failed",
    cause: new Error(`config-resolver answered ${statusCode}`),
  });
}
