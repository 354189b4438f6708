import { gunzipSync } from "node:zlib";
import { DrawbridgeError, type ErrorKind } from "@drawbridge/errors";
import { IdentityHolder } from "@drawbridge/pki";
import { createHttpServer, httpContext, type HttpServer } from "@drawbridge/rpc";
import { createTestLogger, freePort, type TestCa } from "@drawbridge/testkit";
import { decodeMetrics, type Point } from "./decode-otlp.ts";

/** One message as it came, and with which certificate. */
export interface Received {
  readonly points: readonly Point[];
  readonly body: Buffer;
  readonly serialNumber: string;
}

/**
 * Stands in for monitoring-ingest where a test decides what it answers: real TLS 1.3 with client certificates, a check-in every
 * 50 ms, OTLP decoded.
 */
export interface ScriptedIngest extends AsyncDisposable {
  readonly address: string;
  readonly received: Received[];
  checkIns: number;
  /** What messages are refused with, before or after they were read; undefined takes them. */
  refusal:
    | { readonly kind: ErrorKind; readonly code: string; readonly retryAfterMs?: number; readonly isKept?: boolean }
    | undefined;
  start(): Promise<void>;
  stop(): Promise<void>;
}

export async function createScriptedIngest(ca: TestCa): Promise<ScriptedIngest> {
  const port = await freePort();
  const identity = await ca.issueService("monitoring-ingest");
  const received: Received[] = [];
  let server: HttpServer | undefined;

  const ingest: ScriptedIngest = {
    address: `127.0.0.1:${port}`,
    received,
    checkIns: 0,
    refusal: undefined,
    start: async () => {
      server = createHttpServer({
        name: "scripted-ingest",
        listen: { host: "127.0.0.1", port },
        identity: new IdentityHolder(identity),
        clientCertificate: "required",
        allow: [{ fabric: "collector" }],
        logger: createTestLogger().logger,
        bodyLimitBytes: 8 * 1_048_576,
        register: (app) => {
          app.addContentTypeParser("application/x-protobuf", { parseAs: "buffer" }, (_request, body, done) => {
            done(null, body);
          });
          app.post("/v1/check-in", () => {
            ingest.checkIns += 1;
            return { serverTime: new Date().toISOString(), intervalMs: 50 };
          });
          app.post<{ Body: Buffer }>("/v1/metrics", (request, reply) => {
            const { refusal } = ingest;
            const body = gunzipSync(request.body);
            const { peer } = httpContext(request);
            const message = { points: decodeMetrics(body), body, serialNumber: peer?.serialNumber ?? "" };
            if (refusal === undefined || refusal.isKept === true) received.push(message);
            if (refusal !== undefined) throw new DrawbridgeError({ ...refusal, message: "as the test says" });
            return reply.type("application/x-protobuf").send(Buffer.alloc(0));
          });
        },
      });
      await server.start(AbortSignal.timeout(240_000));
    },
    stop: async () => {
      await server?.stop(AbortSignal.timeout(1));
      server = undefined;
    },
    [Symbol.asyncDispose]: () => ingest.stop(),
  };
  return ingest;
}
