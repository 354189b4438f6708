import { promisify } from "node:util";
import { gunzip } from "node:zlib";
import type { Clock } from "@drawbridge/lifecycle";
import { grpcStatusOf, httpContext, type Problem } from "@drawbridge/rpc";
import type { Metrics } from "@drawbridge/telemetry";
import { errorCodes, type FastifyInstance, type FastifyRequest } from "fastify";
import { isUnderstood, readingOf, type AppReading } from "../domain/app-reading.ts";
import type { FabricSeries } from "../domain/fabric-series.ts";
import { batchOf } from "../domain/remembered-batches.ts";
import type { BatchCommitter } from "../metrics-store/batch-committer.ts";
import {
  contentTypeOf,
  errorResponse,
  exportResponse,
  type ErrorStatus,
  type OtlpForm,
  type PartialSuccess,
} from "../otlp/export-response.ts";
import { metricsInvalid, type OtlpPoint } from "../otlp/otlp-message.ts";
import { readJson } from "../otlp/read-json.ts";
import { readProtobuf } from "../otlp/read-protobuf.ts";
import { shownCertificate } from "./check-in-routes.ts";
import type { MetricsAdmission } from "./metrics-admission.ts";

/** As received, and unpacked. */
export const bodyLimitBytes = 4 * 1024 * 1024;
const maxDataPoints = 20_000;
/** As many bytes cost a data point, if there are none to be counted: what is refused is read all the same. */
const bytesPerPoint = 200;
/** Different reasons for refusals that are told; one message rarely has two. */
const maxReasons = 5;

export interface MetricsRouteDeps {
  readonly committer: Pick<BatchCommitter, "commit">;
  readonly series: FabricSeries;
  /** Of metrics that apps tell of themselves, by their names. */
  readonly ownSeries: FabricSeries;
  readonly admission: MetricsAdmission;
  readonly clock: Pick<Clock, "now">;
  readonly metrics: Metrics;
}

/** OTLP over HTTP (opentelemetry.io/docs/specs/otlp): the fabric is the certificate's, whatever the message says. */
export async function registerMetricsRoutes(app: FastifyInstance, deps: MetricsRouteDeps): Promise<void> {
  const points = deps.metrics.counter("data_points", {
    description: "data points of collectors, by what became of them",
  });
  const releases = new WeakMap<FastifyRequest, () => void>();

  // A scope of its own: bodies come as bytes here, and errors go as OTLP has them.
  await app.register(async (scope) => {
    scope.removeAllContentTypeParsers();
    scope.addContentTypeParser(Object.values(contentTypeOf), { parseAs: "buffer" }, (_request, body, done) =>
      done(null, body),
    );
    scope.addHook("onRequest", async (request) => {
      const { fabricId } = shownCertificate(httpContext(request));
      const told = Number(request.headers["content-length"] ?? bodyLimitBytes);
      const bytes = isPacked(request) ? bodyLimitBytes : Math.min(told, bodyLimitBytes);
      releases.set(request, deps.admission.enter({ fabricId, bytes }));
    });
    scope.addHook("onResponse", async (request) => releases.get(request)?.());
    scope.addHook("onRequestAbort", async (request) => releases.get(request)?.());
    scope.addHook("onSend", async (request, reply, payload) => {
      if (reply.statusCode < 400 || typeof payload !== "string") return payload;
      const form = formOf(request);
      void reply.type(contentTypeOf[form]).removeHeader("content-length");
      return Buffer.from(errorResponse(statusOf(payload), form));
    });
    scope.route({
      method: "POST",
      url: "/v1/metrics",
      bodyLimit: bodyLimitBytes,
      handler: async (request, reply) => {
        const { fabricId } = shownCertificate(httpContext(request));
        const charge = chargeOf(fabricId);
        const body = await unpack(request, charge);
        const form = formOf(request);
        const outcome = await take(body, { form, fabricId, charge });
        return reply.type(contentTypeOf[form]).send(Buffer.from(exportResponse(outcome, form)));
      },
    });
  });

  /** What one message costs its fabric in all, as more of it is known: the most that was said counts. */
  function chargeOf(fabricId: string): Charge {
    let paid = 0;
    return (messagePoints) => {
      if (messagePoints <= paid) return;
      deps.admission.spend(fabricId, messagePoints - paid);
      paid = messagePoints;
    };
  }

  async function take(
    body: Uint8Array,
    from: { readonly form: OtlpForm; readonly fabricId: string; readonly charge: Charge },
  ): Promise<PartialSuccess> {
    const { fabricId, charge } = from;
    charge(leastPoints(body.length));
    const read = from.form === "json" ? readJson : readProtobuf;
    const message = read(body, { isWanted: isUnderstood, maxDataPoints });
    charge(message.points.length + message.ignored);
    const { readings, refusals } = readingsOf(message.points, fabricId);
    if (readings.length > 0) {
      const committed = await deps.committer.commit({ fabricId, batch: batchOf(body), readings });
      if (committed.outcome === "known") {
        points.add(readings.length, { outcome: "repeated" });
        return outcomeOf(refusals);
      }
      refusals.add("is one cumulative counter too many of this fabric", committed.refused);
    }
    points.add(message.points.length - refusals.total(), { outcome: "taken" });
    points.add(refusals.total(), { outcome: "refused" });
    points.add(message.ignored, { outcome: "ignored" });
    return outcomeOf(refusals);
  }

  function isAdmitted(fabricId: string, reading: AppReading): boolean {
    if (reading.figure !== "own") return true;
    const { environment, app, metric } = reading;
    return deps.ownSeries.admit(fabricId, { environment, app, replica: metric });
  }

  function readingsOf(found: readonly OtlpPoint[], fabricId: string) {
    const now = deps.clock.now();
    const refusals = createRefusals();
    const readings: AppReading[] = [];
    for (const point of found) {
      const reading = readingOf(point, now);
      if (reading.outcome === "refused") refusals.add(`${point.metric.name} ${reading.why}`, 1);
      else if (!deps.series.admit(fabricId, reading.reading))
        refusals.add("is of one replica too many of this fabric", 1);
      else if (!isAdmitted(fabricId, reading.reading)) refusals.add("is one metric too many of this fabric", 1);
      else readings.push(reading.reading);
    }
    return { readings, refusals };
  }
}

type Charge = (points: number) => void;

function leastPoints(bytes: number): number {
  return Math.ceil(bytes / bytesPerPoint);
}

interface Refusals {
  add(why: string, points: number): void;
  total(): number;
  reasons(): readonly string[];
}

function createRefusals(): Refusals {
  const counts = new Map<string, number>();
  let total = 0;
  return {
    add: (why, points) => {
      if (points === 0) return;
      total += points;
      if (counts.size < maxReasons || counts.has(why)) counts.set(why, (counts.get(why) ?? 0) + points);
    },
    total: () => total,
    reasons: () => [...counts].map(([why, points]) => `${points} x ${why}`),
  };
}

function outcomeOf(refusals: Refusals): PartialSuccess {
  return { rejected: refusals.total(), message: refusals.reasons().join("; ") };
}

/** What a sender gets back in: the form that he wrote in, or the specification's first. */
function formOf(request: FastifyRequest): OtlpForm {
  return request.headers["content-type"]?.startsWith(contentTypeOf.json) === true ? "json" : "protobuf";
}

function isPacked(request: FastifyRequest): boolean {
  return (request.headers["content-encoding"] ?? "identity") !== "identity";
}

/** What the server says of an error (RFC 9457), as google.rpc.Status has it. */
function statusOf(problemText: string): ErrorStatus {
  const { kind, code, detail } = JSON.parse(problemText) as Problem; // of our own server's error handler
  return { code: grpcStatusOf(kind), reason: code, message: detail };
}

const unzip = promisify(gunzip);

async function unpack(request: FastifyRequest, charge: Charge): Promise<Uint8Array> {
  const { body } = request;
  if (!(body instanceof Uint8Array)) throw metricsInvalid("there is no body");
  charge(leastPoints(body.length));
  if (!isPacked(request)) return body;
  if (request.headers["content-encoding"] !== "gzip")
    throw metricsInvalid("the content-encoding must be gzip, or none");
  try {
    return await unzip(body, { maxOutputLength: bodyLimitBytes });
  } catch (error) {
    if (error instanceof RangeError && "code" in error && error.code === "ERR_BUFFER_TOO_LARGE") {
      charge(leastPoints(bodyLimitBytes));
      throw new errorCodes.FST_ERR_CTP_BODY_TOO_LARGE();
    }
    throw metricsInvalid("the body is not gzip", error);
  }
}
