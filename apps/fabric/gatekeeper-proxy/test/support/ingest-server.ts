import { once } from "node:events";
import {
  createSecureServer,
  type Http2SecureServer,
  type ServerHttp2Session,
  type ServerHttp2Stream,
} from "node:http2";
import type { AddressInfo } from "node:net";
import { buffer } from "node:stream/consumers";
import { zstdDecompressSync } from "node:zlib";
import { serverTlsOptions, type IdentitySnapshot } from "@drawbridge/pki";
import { InsightBatch } from "@drawbridge/contracts/insight/v1/insight_batch";
import { readBatch } from "@drawbridge/request-batch";
import { requestsOf, type ToldRequest } from "./told-requests.ts";

/** A batch as it came, once or several times. */
interface ArrivedBatch {
  readonly name: string;
  /** As they were on the wire. */
  readonly sent: Buffer;
  readonly bytes: Buffer;
  readonly requests: readonly ToldRequest[];
  readonly gaps: readonly { readonly requests: number; readonly reason: number }[];
}

interface Answer {
  readonly status: number;
  readonly headers?: Record<string, string>;
  readonly body?: unknown;
}

export interface IngestServer extends AsyncDisposable {
  readonly url: string;
  /** By name; an acknowledged batch counts once, however often it comes. */
  readonly acknowledged: ReadonlyMap<string, ArrivedBatch>;
  /** Names of everything that came, in order. */
  readonly arrived: readonly string[];
  readonly tokens: readonly string[];
  /** Everything that came, heads too, as text of bytes. */
  readonly wire: readonly Buffer[];
  /** Batches of captured exchanges that came, acknowledged or not, in order. */
  readonly insight: readonly InsightBatch[];
  /** What to answer them instead of 200. */
  insightAnswer: ((batch: InsightBatch, token: string) => Answer | undefined) | undefined;
  /** What to answer instead of 200. */
  answer: ((batch: ArrivedBatch, token: string) => Answer | undefined) | undefined;
  requests(): readonly ToldRequest[];
  /** Requests in batches that were acknowledged, and in gaps that they tell of. */
  accounted(): number;
  /** As if it were away; its port stays its own. */
  stop(): Promise<void>;
  start(): Promise<void>;
}

/** analytics-ingest's front as gateways see it: HTTP/2 over TLS 1.3 with the identity that they expect. */
export async function startIngest(identity: IdentitySnapshot): Promise<IngestServer> {
  const acknowledged = new Map<string, ArrivedBatch>();
  const arrived: string[] = [];
  const tokens: string[] = [];
  const wire: Buffer[] = [];
  const insight: InsightBatch[] = [];
  let server: Http2SecureServer | undefined;
  let sessions = new Set<ServerHttp2Session>();
  let port = 0;

  const ingest: IngestServer = {
    get url() {
      return `https://127.0.0.1:${port}`;
    },
    acknowledged,
    arrived,
    tokens,
    wire,
    insight,
    insightAnswer: undefined,
    answer: undefined,
    requests: () => [...acknowledged.values()].flatMap(({ requests }) => requests),
    accounted: () =>
      [...acknowledged.values()].reduce(
        (sum, { requests, gaps }) => gaps.reduce((all, gap) => all + gap.requests, sum + requests.length),
        0,
      ),
    start: async () => {
      const listening = createSecureServer(serverTlsOptions(identity, { clientCertificate: "none" }));
      server = listening;
      sessions = new Set();
      listening.on("session", (session) => sessions.add(session));
      listening.on("sessionError", () => undefined); // a client that went away
      listening.on("stream", (stream: ServerHttp2Stream, headers) => {
        stream.on("error", () => undefined); // likewise
        void buffer(stream).then(
          (sent) => {
            wire.push(Buffer.from(JSON.stringify(headers)), sent);
            const token = String(headers.authorization).replace("Bearer ", "");
            tokens.push(token);
            if (headers[":path"] === "/v1/insight/exchanges") {
              const exchanges = InsightBatch.decode(zstdDecompressSync(sent));
              insight.push(exchanges);
              return reply(stream, ingest.insightAnswer?.(exchanges, token));
            }
            const batch = batchOf(sent);
            arrived.push(batch.name);
            const known = acknowledged.get(batch.name);
            if (known !== undefined && !known.bytes.equals(batch.bytes)) throw new Error("one name, other bytes");
            const answer = ingest.answer?.(batch, token) ?? { status: 200 };
            if (answer.status === 200) acknowledged.set(batch.name, batch);
            reply(stream, answer);
          },
          () => undefined, // cut off
        );
      });
      listening.listen(port, "127.0.0.1");
      await once(listening, "listening");
      ({ port } = listening.address() as AddressInfo);
    },
    stop: async () => {
      const closing = server;
      if (closing === undefined) return;
      server = undefined;
      for (const session of sessions) session.destroy();
      closing.close();
      await once(closing, "close");
    },
    [Symbol.asyncDispose]: () => ingest.stop(),
  };
  await ingest.start();
  return ingest;
}

function reply(stream: ServerHttp2Stream, { status, headers, body = {} }: Answer = { status: 200 }): void {
  if (stream.destroyed) return;
  stream.respond({ ":status": status, "content-type": "application/json", ...headers });
  stream.end(JSON.stringify(body));
}

/** Of what was spooled or sent. */
export function batchOf(sent: Buffer): ArrivedBatch {
  const bytes = zstdDecompressSync(sent);
  const { gatewayId, epoch, sequence, gaps } = readBatch(bytes);
  return {
    name: `${gatewayId} ${epoch} ${sequence}`,
    sent,
    bytes,
    requests: requestsOf(bytes),
    gaps: gaps.map(({ requests, reason }) => ({ requests: Number(requests), reason })),
  };
}
