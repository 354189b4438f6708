import { context, propagation, trace } from "@opentelemetry/api";
import { W3CTraceContextPropagator } from "@opentelemetry/core";
import { OTLPTraceExporter } from "@opentelemetry/exporter-trace-otlp-http";
import { resourceFromAttributes } from "@opentelemetry/resources";
import { BatchSpanProcessor, SimpleSpanProcessor, TracerProvider, type SpanProcessor } from "@opentelemetry/sdk-trace";
import type { Component } from "@drawbridge/lifecycle";
import type { Logger } from "pino";
import { AsyncContextManager } from "./async-context-manager.ts";
import { FileSpanExporter } from "./file-span-exporter.ts";
import { createMetricRegistry, type Metrics } from "./metrics.ts";
import { createPassingTracerProvider } from "./passing-tracer.ts";
import { measureProcess } from "./process-metrics.ts";

export interface TelemetryOptions {
  readonly service: string;
  readonly replica: string;
  /** Base URL of an OTLP/HTTP collector, for example "http://127.0.0.1:4318"; spans go to `<base>/v1/traces`. */
  readonly otlpEndpoint?: string | undefined;
  /** Append spans to this file as JSON lines. */
  readonly traceFile?: string | undefined;
  readonly logger: Logger;
}

/** Started by `startTelemetry`; as the first component of a process it stops last, after everything else ended its spans. */
export interface Telemetry extends Component {
  readonly metrics: Metrics;
  /** Prometheus text of all metrics, for /metrics. */
  metricsText(): Promise<string>;
}

/**
 * Begin tracing and measuring; call before anything that can fail. Tracer, propagator and context manager are global in
 * OpenTelemetry: where a second telemetry starts in one process (tests), its metrics are its own and its spans go
 * where the first one sends them. Without an endpoint and a file no spans are recorded, but trace context still passes.
 */
export function startTelemetry(options: TelemetryOptions): Telemetry {
  const resource = resourceFromAttributes({ "service.name": options.service, "service.instance.id": options.replica });
  const processors = spanProcessors(options);
  const provider = processors.length > 0 ? new TracerProvider({ resource, spanProcessors: processors }) : undefined;
  const ownsGlobals = trace.setGlobalTracerProvider(provider ?? createPassingTracerProvider());
  if (ownsGlobals) {
    context.setGlobalContextManager(new AsyncContextManager());
    propagation.setGlobalPropagator(new W3CTraceContextPropagator());
  }
  const registry = createMetricRegistry({ service: options.service, resource });
  const stopMeasuring = measureProcess(registry.metrics);
  let isStopped = false;

  return {
    name: "telemetry",
    metrics: registry.metrics,
    metricsText: () => registry.text(),
    start: () => Promise.resolve(),
    stop: async () => {
      if (isStopped) return;
      isStopped = true;
      stopMeasuring();
      await provider
        ?.shutdown()
        .catch((error: unknown) => options.logger.warn({ err: error }, "spans were lost at shutdown"));
      await registry.shutdown();
      if (!ownsGlobals) return;
      trace.disable();
      context.disable();
      propagation.disable();
    },
  };
}

function spanProcessors(options: TelemetryOptions): SpanProcessor[] {
  const processors: SpanProcessor[] = [];
  if (options.otlpEndpoint !== undefined) {
    const url = new URL("v1/traces", options.otlpEndpoint.replace(/\/*$/, "/")).href;
    processors.push(new BatchSpanProcessor({ exporter: new OTLPTraceExporter({ url }) }));
  }
  if (options.traceFile !== undefined) {
    processors.push(new SimpleSpanProcessor({ exporter: new FileSpanExporter(options.traceFile) }));
  }
  return processors;
}
