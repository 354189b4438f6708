import { once } from "node:events";
import { request } from "node:https";
import type { IncomingMessage } from "node:http";
import { gzipSync } from "node:zlib";
import { MetricsServiceClient } from "@drawbridge/contracts/monitoring/v1/metrics_service";
import { clientTlsOptions, IdentityHolder, loadIdentityDir, type IdentitySnapshot } from "@drawbridge/pki";
import { createGrpcClient, type GrpcClient } from "@drawbridge/rpc";
import { createTestLogger } from "@drawbridge/testkit";

export interface OtlpAnswer {
  readonly status: number;
  readonly contentType: string;
  readonly retryAfter: string | undefined;
  readonly body: Buffer;
}

/** POST /v1/metrics on a connection of its own. */
export async function sendMetrics(
  address: string,
  identity: IdentitySnapshot,
  message: {
    readonly body: Uint8Array | string;
    readonly type?: string;
    readonly encoding?: string;
  },
): Promise<OtlpAnswer> {
  const [host = "", port = ""] = address.split(":");
  const { type = "application/json", encoding, body } = message;
  const sent = request({
    method: "POST",
    host,
    port: Number(port),
    path: "/v1/metrics",
    agent: false,
    headers: { "content-type": type, ...(encoding === undefined ? {} : { "content-encoding": encoding }) },
    ...clientTlsOptions(identity, { expectedServer: "/cp/monitoring-ingest", alpnProtocols: ["http/1.1"] }),
  });
  sent.on("error", () => undefined); // whoever waits for the answer is told; a cut connection may say it twice
  sent.end(encoding === "gzip" ? gzipSync(body) : body);
  const [response] = (await once(sent, "response")) as [IncomingMessage];
  const chunks: Buffer[] = [];
  for await (const chunk of response) chunks.push(chunk as Buffer); // a stream without an encoding gives buffers
  return {
    status: response.statusCode ?? 0,
    contentType: response.headers["content-type"] ?? "",
    retryAfter: response.headers["retry-after"],
    body: Buffer.concat(chunks),
  };
}

interface Told {
  readonly environment?: string;
  readonly app?: string;
  readonly replica?: string;
  readonly at: Date;
  /** Sampling interval. */
  readonly intervalMs?: number;
  readonly cpuSeconds?: number;
  readonly memoryUsed?: number;
  readonly memoryTotal?: number;
  readonly requests?: { readonly count: number; readonly seconds: number; readonly errors?: number };
  /** Of requests and CPU time; default delta. */
  readonly temporality?: "delta" | "cumulative";
  /** Begin of cumulative counters. */
  readonly startedAt?: Date;
}

const nanos = (at: Date): string => `${BigInt(at.getTime()) * 1_000_000n}`;
const text = (key: string, stringValue: string) => ({ key, value: { stringValue } });

/** A message in OTLP's JSON about one replica, as the collector's standard has it. */
export function message(...told: readonly Told[]): string {
  return JSON.stringify({ resourceMetrics: told.map(resourceMetrics) });
}

function resourceMetrics(told: Told) {
  const { environment = "production", app = "orders", replica = "r1", at, temporality = "delta" } = told;
  const begin = told.startedAt ?? new Date(at.getTime() - (told.intervalMs ?? 15_000));
  const times = { startTimeUnixNano: nanos(begin), timeUnixNano: nanos(at) };
  const aggregationTemporality = temporality === "delta" ? 1 : 2;
  const level = (name: string, asInt: number) => ({
    name,
    unit: "By",
    sum: { aggregationTemporality: 2, isMonotonic: false, dataPoints: [{ ...times, asInt: String(asInt) }] },
  });
  const { cpuSeconds, memoryUsed, memoryTotal, requests } = told;
  const histogram = (count: number, sum: number, attributes: readonly object[]) => ({
    ...times,
    count: String(count),
    sum,
    attributes,
  });
  const errors = requests?.errors ?? 0;
  return {
    resource: {
      attributes: [
        text("deployment.environment.name", environment),
        text("service.name", app),
        ...(replica === "" ? [] : [text("service.instance.id", replica)]),
      ],
    },
    scopeMetrics: [
      {
        metrics: [
          ...(cpuSeconds === undefined
            ? []
            : [
                {
                  name: "process.cpu.time",
                  unit: "s",
                  sum: { aggregationTemporality, isMonotonic: true, dataPoints: [{ ...times, asDouble: cpuSeconds }] },
                },
              ]),
          ...(memoryUsed === undefined ? [] : [level("process.memory.usage", memoryUsed)]),
          ...(memoryTotal === undefined ? [] : [level("drawbridge.process.memory.limit", memoryTotal)]),
          ...(requests === undefined
            ? []
            : [
                {
                  name: "http.server.request.duration",
                  unit: "s",
                  histogram: {
                    aggregationTemporality,
                    dataPoints: [
                      histogram(requests.count - errors, requests.seconds, []),
                      ...(errors === 0 ? [] : [histogram(errors, 0, [text("error.type", "_OTHER")])]),
                    ],
                  },
                },
              ]),
        ],
      },
    ],
  };
}

export type MetricsCalls = GrpcClient<(typeof MetricsServiceClient)["service"]>["call"];

/** MetricsService as a service sees it. */
export async function metricsClient(
  address: string,
  identityDir: string,
): Promise<AsyncDisposable & { readonly call: MetricsCalls }> {
  const client = createGrpcClient(MetricsServiceClient, {
    address,
    expectedServer: "/cp/monitoring-ingest",
    identity: new IdentityHolder(await loadIdentityDir(identityDir, new Date())),
    logger: createTestLogger().logger,
  });
  return { call: client.call, [Symbol.asyncDispose]: () => client.stop(AbortSignal.timeout(1_000)) };
}
