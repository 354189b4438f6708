import { connect, constants, type ClientHttp2Session } from "node:http2";
import type { Socket } from "node:net";
import { dial, type HttpProxy } from "@drawbridge/egress";
import { isDrawbridgeError } from "@drawbridge/errors";
import { clientTlsOptions, type TrustBundle } from "@drawbridge/pki";
import { z } from "zod";

export interface IngestReply {
  readonly status: number;
  readonly retryAfterMs: number | undefined;
  /** The server wants batches no more often than this. */
  readonly minFlushMs: number | undefined;
  /** Captures of exchanges that want no more. */
  readonly fullCaptures: readonly string[];
}

export interface IngestTarget {
  readonly url: string;
  readonly token: string;
  /** Through which to reach it. */
  readonly proxy?: HttpProxy | undefined;
}

export interface IngestClient {
  /**
   * Rejects with an error whose message is a code: nothing was answered.
   *
   * @param onLeaving there is a connection, on which the batch leaves now
   */
  post(target: IngestTarget, batch: Uint8Array, onLeaving?: () => void): Promise<IngestReply>;
  /** Other roots: what is connected was trusted by the old ones. */
  trust(bundle: TrustBundle): void;
  close(): void;
}

const expectedServer = "/cp/analytics-ingest";
const connectTimeoutMs = 10_000;
const answerTimeoutMs = 30_000;
const longestReply = 64 * 1024;
const replySchema = z.object({
  minFlushMs: z.number().min(0).optional(),
  fullCaptures: z.array(z.string().max(64)).max(1_000).default([]),
});

/**
 * HTTP/2 over TLS 1.3 to the one server that the fabric's roots name `/cp/analytics-ingest`; we show no certificate. No
 * redirects: what is not an answer of that server is a failure. A proxy, where there is one, carries what it cannot read.
 *
 * Invariant: there is one connection, or one that is being opened; requests that come meanwhile wait for it.
 */
export function createIngestClient(path = "/v1/analytics/batches"): IngestClient {
  let roots: TrustBundle | undefined;
  let open: { readonly way: string; readonly session: ClientHttp2Session } | undefined;
  let opening: { readonly way: string; readonly session: Promise<ClientHttp2Session> } | undefined;

  function drop(): void {
    open?.session.destroy();
    open = undefined;
    opening = undefined;
  }

  function begin(url: string, socket?: Socket): ClientHttp2Session {
    if (roots === undefined) throw new Error("TRUST_BUNDLE_MISSING");
    const tls = clientTlsOptions({ trustBundle: roots }, { expectedServer });
    const session = connect(url, socket === undefined ? tls : { ...tls, socket });
    session.setTimeout(connectTimeoutMs, () => {
      if (session.connecting) session.destroy(new Error("DIAL_TIMEOUT"));
    });
    session.on("error", () => undefined); // every request hears of it
    session.unref();
    return session;
  }

  async function sessionTo({ url, proxy }: IngestTarget): Promise<ClientHttp2Session> {
    const way = JSON.stringify([url, proxy]);
    if (open?.way === way && !open.session.closed && !open.session.destroyed) return open.session;
    if (opening?.way === way) return opening.session;
    drop();
    if (!URL.canParse(url) || new URL(url).protocol !== "https:") throw new Error("ANALYTICS_URL_INVALID");
    if (proxy === undefined) {
      open = { way, session: begin(url) };
      return open.session;
    }
    const mine = { way, session: socketThrough(proxy, url).then((socket) => begin(url, socket)) };
    opening = mine;
    try {
      const session = await mine.session;
      if (opening === mine) open = { way, session };
      else if (open?.session !== session) session.destroy(); // other roots, or another way, while it was opened
      return session;
    } finally {
      if (opening === mine) opening = undefined;
    }
  }

  return {
    post: async (target, batch, onLeaving = () => undefined) => {
      const session = await sessionTo(target);
      const { url, token } = target;
      const prefix = new URL(url).pathname.replace(/\/$/, "");
      const stream = session.request(
        {
          ":method": "POST",
          ":path": `${prefix}${path}`,
          authorization: `Bearer ${token}`,
          "content-type": "application/x-protobuf",
          "content-encoding": "zstd",
          "content-length": batch.length,
        },
        { signal: AbortSignal.timeout(answerTimeoutMs) },
      );
      const { promise, resolve, reject } = Promise.withResolvers<IngestReply>();
      let text = "";
      let head: { status: number; retryAfter: string | undefined } | undefined;
      stream.setEncoding("utf8");
      stream.on("response", (headers) => {
        const retryAfter = headers["retry-after"];
        head = { status: headers[":status"] ?? 0, retryAfter: typeof retryAfter === "string" ? retryAfter : undefined };
      });
      stream.on("data", (piece: string) => {
        text += piece;
        if (text.length > longestReply) stream.close(constants.NGHTTP2_CANCEL);
      });
      stream.on("error", (error) => {
        if (open?.session === session) drop(); // a connection that fails once is not waited for
        reject(new Error(codeOf(error), { cause: error }));
      });
      stream.on("close", () => {
        if (head === undefined) return reject(new Error("CONNECTION_LOST"));
        const { status, retryAfter } = head;
        resolve({ status, retryAfterMs: secondsIn(retryAfter), ...replyIn(text) });
      });
      if (stream.pending) stream.once("ready", onLeaving);
      else onLeaving();
      stream.end(batch);
      return promise;
    },
    trust: (bundle) => {
      roots = bundle;
      drop();
    },
    close: drop,
  };
}

async function socketThrough(proxy: HttpProxy, url: string): Promise<Socket> {
  const { hostname, port } = new URL(url);
  const target = { host: hostname.replace(/^\[|\]$/g, ""), port: port === "" ? 443 : Number(port) };
  try {
    return await dial({ target, proxy, timeoutMs: connectTimeoutMs }, new AbortController().signal);
  } catch (error) {
    throw new Error(isDrawbridgeError(error) ? error.code : "DIAL_FAILED", { cause: error });
  }
}

/** Stable, and without anything that a server says. */
function codeOf(error: Error): string {
  if (error.name === "AbortError" || error.name === "TimeoutError") return "ANSWER_TIMEOUT";
  const { cause } = error;
  const code = "code" in error ? error.code : cause instanceof Error && "code" in cause ? cause.code : undefined;
  return typeof code === "string" && code !== ""
    ? code
    : /^[A-Z_]+$/.test(error.message)
      ? error.message
      : "CONNECTION_LOST";
}

function secondsIn(retryAfter: string | undefined): number | undefined {
  return retryAfter !== undefined && /^\d{1,6}$/.test(retryAfter) ? Number(retryAfter) * 1_000 : undefined;
}

function replyIn(text: string): Pick<IngestReply, "minFlushMs" | "fullCaptures"> {
  try {
    const { minFlushMs, fullCaptures } = replySchema.parse(JSON.parse(text));
    return { minFlushMs, fullCaptures };
  } catch {
    return { minFlushMs: undefined, fullCaptures: [] }; // a reply says more than its status, or not
  }
}
