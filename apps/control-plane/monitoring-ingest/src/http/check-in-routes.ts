import type { Clock } from "@drawbridge/lifecycle";
import { httpContext, type HttpContext } from "@drawbridge/rpc";
import type { Metrics } from "@drawbridge/telemetry";
import type { FastifyInstance } from "fastify";
import type { ShownCertificate } from "../domain/certificate-standing.ts";
import { clockSkewMs, parseCheckIn } from "../domain/check-in.ts";
import type { CollectorRecords } from "../domain/collector.ts";

/** A check-in is about 120 bytes. */
const bodyLimitBytes = 1_024;

export function registerCheckInRoutes(
  app: FastifyInstance,
  deps: {
    readonly collectors: Pick<CollectorRecords, "record">;
    readonly intervalMs: number;
    readonly clock: Pick<Clock, "now">;
    readonly metrics: Metrics;
  },
): void {
  const skew = deps.metrics.histogram("collector_clock_skew_seconds", {
    description: "how far collectors' clocks are from ours, either way",
    buckets: [0.1, 1, 10, 60, 300, 3_600],
  });
  app.route({
    method: "POST",
    url: "/v1/check-in",
    bodyLimit: bodyLimitBytes,
    handler: async (request) => {
      const { serialNumber, fabricId, notAfter } = shownCertificate(httpContext(request));
      const checkIn = parseCheckIn(request.body);
      const now = deps.clock.now();
      const skewMs = clockSkewMs(checkIn, now);
      await deps.collectors.record({
        fabricId,
        certificateSerial: serialNumber,
        certificateNotAfter: notAfter,
        version: checkIn.version,
        bootId: checkIn.bootId,
        lastSeenAt: now,
        clockSkewMs: skewMs,
      });
      skew.record(Math.abs(skewMs) / 1_000);
      return { serverTime: now.toISOString(), intervalMs: deps.intervalMs };
    },
  });
}

/** The certificate of a caller whom the listener let in. */
export function shownCertificate({ peer }: Pick<HttpContext, "peer">): ShownCertificate {
  if (peer?.identity.kind !== "collector") throw new Error("the listener lets nobody in but collectors");
  return { serialNumber: peer.serialNumber, fabricId: peer.identity.fabricId, notAfter: peer.notAfter };
}
