import { readFile, rm, mkdtemp } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DrawbridgeError } from "@drawbridge/errors";
import {
  createLogger,
  currentTraceparent,
  startTelemetry,
  withSpan,
  type TelemetryOptions,
} from "@drawbridge/telemetry";
import { expect, onTestFinished, test } from "vitest";

const logger = createLogger({ service: "test", level: "silent" });
const soon = () => AbortSignal.timeout(5_000);

function start(options: Partial<TelemetryOptions> = {}) {
  const telemetry = startTelemetry({ service: "cert-authority", replica: "ca-0", logger, ...options });
  onTestFinished(() => telemetry.stop(soon()));
  return telemetry;
}

async function traced(work: () => Promise<void>): Promise<readonly Record<string, unknown>[]> {
  const dir = await mkdtemp(join(tmpdir(), "drawbridge-telemetry-"));
  onTestFinished(() => rm(dir, { recursive: true }));
  const traceFile = join(dir, "trace.jsonl");
  const telemetry = start({ traceFile });
  await work();
  await telemetry.stop(soon());
  const text = await readFile(traceFile, "utf8");
  return text
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line) as Record<string, unknown>);
}

test("spans nest across awaits, and the file says who is whose child", async () => {
  const spans = await traced(() =>
    withSpan("outer", { a: 1 }, async () => {
      await new Promise((resolve) => setImmediate(resolve));
      await withSpan("inner", {}, () => Promise.resolve());
    }),
  );
  const [inner, outer] = spans;
  expect(inner).toMatchObject({ name: "inner", traceId: outer?.["traceId"], parentSpanId: outer?.["spanId"] });
  expect(outer).toMatchObject({
    name: "outer",
    parentSpanId: "",
    service: "cert-authority",
    replica: "ca-0",
    attributes: { a: 1 },
  });
});

test("a remote traceparent is the parent, and the span under way is not", async () => {
  const parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
  const [span] = await traced(() =>
    withSpan("local", {}, () => withSpan("remote", {}, () => Promise.resolve(), { parent, kind: "server" })),
  );
  expect(span).toMatchObject({
    traceId: "0af7651916cd43dd8448eb211c80319c",
    parentSpanId: "b7ad6b7169203331",
    kind: "SERVER",
  });
});

test.each(["", "garbage", "00-00000000000000000000000000000000-b7ad6b7169203331-01"])(
  'a caller without a usable traceparent ("%s") begins a new trace',
  async (parent) => {
    const [span] = await traced(() => withSpan("remote", {}, () => Promise.resolve(), { parent }));
    expect(span).toMatchObject({ parentSpanId: "" });
  },
);

test("a failure marks its span with the code, never with foreign text", async () => {
  const spans = await traced(async () => {
    await withSpan("ours", {}, () =>
      Promise.reject(new DrawbridgeError({ kind: "internal", code: "X_Y", message: "text" })),
    ).catch(() => undefined);
    await withSpan("foreign", {}, () => Promise.reject(new Error("password is hunter2"))).catch(() => undefined);
  });
  expect(spans[0]).toMatchObject({ status: "ERROR", attributes: { "error.type": "X_Y" } });
  expect(spans[1]).toMatchObject({ status: "ERROR", attributes: { "error.type": "INTERNAL" } });
  expect(JSON.stringify(spans)).not.toContain("hunter2");
});

test("there is a traceparent inside a trace and none outside", async () => {
  start();
  expect(currentTraceparent()).toBe("");
  await withSpan("x", {}, async (span) => {
    await Promise.resolve();
    expect(currentTraceparent()).toBe(`00-${span.spanContext().traceId}-${span.spanContext().spanId}-01`);
  });
});

test("a trace passes through a service that collects no spans, with a span of its own", async () => {
  start();
  const parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00";
  await withSpan(
    "x",
    {},
    async (outer) => {
      const outside = currentTraceparent();
      expect(outside).toBe(`00-0af7651916cd43dd8448eb211c80319c-${outer.spanContext().spanId}-00`);
      await withSpan("y", {}, (inner) => {
        expect(inner.spanContext().traceId).toBe("0af7651916cd43dd8448eb211c80319c");
        return Promise.resolve();
      });
      expect(currentTraceparent()).toBe(outside);
    },
    { parent },
  );
  expect(currentTraceparent()).toBe("");
});

test("spans reach an OTLP/HTTP collector at the latest when telemetry stops", async () => {
  const received: string[] = [];
  const collector = createServer((request, response) => {
    request.resume().on("end", () => {
      received.push(`${request.method} ${request.url}`);
      response.end("{}");
    });
  });
  await new Promise<void>((resolve) => collector.listen(0, "127.0.0.1", resolve));
  onTestFinished(() => void collector.close());
  const { port } = collector.address() as AddressInfo; // a TCP server that listens
  const telemetry = start({ otlpEndpoint: `http://127.0.0.1:${port}` });
  await withSpan("x", {}, () => Promise.resolve());
  await telemetry.stop(soon());
  expect(received).toEqual(["POST /v1/traces"]);
});

test("metrics carry the service's prefix, labels and buckets, in Prometheus text", async () => {
  const telemetry = start();
  telemetry.metrics.counter("certificates_issued", { description: "certificates" }).add(2, { profile: "agent" });
  const histogram = telemetry.metrics.histogram("issue_duration_seconds", { description: "time", buckets: [0.1, 1] });
  histogram.record(0.5);
  telemetry.metrics.gauge("queue_depth", { description: "waiting" }, () => 7);
  telemetry.metrics.gauge("tunnels", { description: "open" }, () => [
    [3, { state: "connected" }],
    [1, { state: "draining" }],
  ]);
  const text = await telemetry.metricsText();
  expect(text).toContain('drawbridge_cert_authority_certificates_issued_total{profile="agent"} 2');
  expect(text).toContain('drawbridge_cert_authority_issue_duration_seconds_bucket{le="0.1"} 0');
  expect(text).toContain('drawbridge_cert_authority_issue_duration_seconds_bucket{le="1"} 1');
  expect(text).toContain("drawbridge_cert_authority_queue_depth 7");
  expect(text).toContain('drawbridge_cert_authority_tunnels{state="draining"} 1');
  expect(text).toContain("drawbridge_cert_authority_process_resident_memory_bytes");
});

test("two telemetries in one process keep their metrics apart, and the first keeps its traces", async () => {
  const spans = await traced(async () => {
    const second = start({ service: "activation" });
    second.metrics.counter("x", { description: "x" }).add(1);
    await withSpan("still traced", {}, () => Promise.resolve());
    await second.stop(soon());
    await withSpan("traced after the second stopped", {}, () => Promise.resolve());
    expect(await second.metricsText().catch(() => "")).not.toContain("cert_authority");
  });
  expect(spans).toHaveLength(2);
});
