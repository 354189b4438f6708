// Gateways that report requests: a line of JSON with `SendOrder` on standard input; writes `SendReport` as JSON.
import { once } from "node:events";
import { connect, type ClientHttp2Session } from "node:http2";
import { setTimeout as pause } from "node:timers/promises";
import { zstdCompressSync } from "node:zlib";
import { clientTlsOptions, parseTrustBundleJson } from "@drawbridge/pki";
import { BatchBuilder, batchHead } from "@drawbridge/request-batch";
import { syntheticRequests } from "./synthetic-requests.ts";

export interface SendOrder {
  readonly port: number;
  readonly token: string;
  readonly trustBundle: string;
  readonly gatewayId: string;
  readonly batches: number;
  readonly rowsPerBatch: number;
  /** Requests per second; 0: as many as are taken. */
  readonly rate: number;
  /** When the requests were received: the first batch and the last one; those between at even distances. Undefined: now. */
  readonly receivedMs?: { readonly first: number; readonly last: number };
  readonly connections: number;
  readonly inFlight: number;
}

export interface SendReport {
  readonly requests: number;
  readonly wireBytes: number;
  readonly startedAtMs: number;
  /** When the last one was acknowledged. */
  readonly acknowledgedAtMs: number;
  readonly ackP50Ms: number;
  readonly ackP99Ms: number;
  /** Answers that were neither 200 nor "later". */
  readonly refused: number;
  /** Answers of 429 and 503, after which the same batch was sent again. */
  readonly later: number;
  /** Cumulated requests by the time at which they were handed over, every tenth of a second. */
  readonly sent: readonly (readonly [atMs: number, requests: number])[];
}

const order = JSON.parse(await readAll()) as SendOrder; // our parent writes it
const makeRequest = syntheticRequests(order.gatewayId.length * 7_919 + order.batches);
const builder = new BatchBuilder({ capacity: order.rowsPerBatch, addressKey: new Uint8Array(32) });
const epoch = BigInt(Math.trunc(Date.now() / 1_000));

function makeBatch(index: number): Uint8Array {
  const receivedAtMs = timeOf(index);
  for (let row = 0; row < order.rowsPerBatch; row += 1) builder.add(makeRequest(receivedAtMs));
  const body = builder.take()?.body ?? new Uint8Array();
  const head = batchHead({ gatewayId: order.gatewayId, epoch, sequence: BigInt(index + 1) }, []);
  return zstdCompressSync(Buffer.concat([head, body]));
}

function timeOf(index: number): number {
  if (order.receivedMs === undefined) return Date.now();
  const { first, last } = order.receivedMs;
  return Math.round(first + ((last - first) * index) / order.batches);
}

/** Before the time counts: a gateway makes its batches beside their sending, here that would keep answers waiting. */
const made = Array.from({ length: order.batches }, (_, index) => makeBatch(index));
const tls = clientTlsOptions(
  { trustBundle: parseTrustBundleJson(order.trustBundle) },
  { expectedServer: "/cp/analytics-ingest", alpnProtocols: ["h2"] },
);
const sessions = await Promise.all(Array.from({ length: order.connections }, open));
const latenciesMs: number[] = [];
const sent: [number, number][] = [];
let [wireBytes, refused, later, next, handedOver] = [0, 0, 0, 0, 0];
const startedAtMs = Date.now();
const sampler = setInterval(() => sent.push([Date.now(), handedOver]), 100);

async function open(): Promise<ClientHttp2Session> {
  const session = connect(`https://127.0.0.1:${order.port}`, tls);
  await once(session, "connect");
  return session;
}

async function sender(session: ClientHttp2Session): Promise<void> {
  for (let index = next++, bytes = made[index]; bytes !== undefined; index = next++, bytes = made[index]) {
    if (order.rate > 0) {
      const dueMs = startedAtMs + (index * order.rowsPerBatch * 1_000) / order.rate;
      const waitMs = dueMs - Date.now();
      if (waitMs > 0) await pause(waitMs);
    }
    wireBytes += bytes.length;
    handedOver += order.rowsPerBatch;
    const beganMs = performance.now();
    for (;;) {
      const status = await post(session, bytes);
      if (status !== 429 && status !== 503) {
        if (status !== 200) refused += 1;
        break;
      }
      later += 1;
      await pause(50);
    }
    latenciesMs.push(performance.now() - beganMs);
  }
}

async function post(session: ClientHttp2Session, bytes: Uint8Array): Promise<number> {
  const stream = session.request({
    ":method": "POST",
    ":path": "/v1/analytics/batches",
    authorization: `Bearer ${order.token}`,
    "content-type": "application/x-protobuf",
    "content-encoding": "zstd",
    "content-length": String(bytes.length),
  });
  stream.end(bytes);
  const [headers] = (await once(stream, "response")) as [{ readonly ":status": number }];
  stream.resume();
  await once(stream, "close");
  return headers[":status"];
}

await Promise.all(sessions.flatMap((session) => Array.from({ length: order.inFlight }, () => sender(session))));
const acknowledgedAtMs = Date.now();
clearInterval(sampler);
for (const session of sessions) session.destroy();
latenciesMs.sort((one, other) => one - other);
const at = (share: number): number => latenciesMs[Math.floor(latenciesMs.length * share)] ?? 0;
const report: SendReport = {
  requests: order.batches * order.rowsPerBatch,
  wireBytes,
  startedAtMs,
  acknowledgedAtMs,
  ackP50Ms: at(0.5),
  ackP99Ms: at(0.99),
  refused,
  later,
  sent,
};
process.stdout.write(`${JSON.stringify(report)}\n`);

async function readAll(): Promise<string> {
  let text = "";
  for await (const chunk of process.stdin.setEncoding("utf8")) text += String(chunk);
  return text;
}
