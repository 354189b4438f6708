import { PrometheusSerializer } from "@opentelemetry/exporter-prometheus";
import type { Resource } from "@opentelemetry/resources";
import { MeterProvider, MetricReader } from "@opentelemetry/sdk-metrics";

/** Labels of a sample: a closed set of values, never ids. */
export type MetricLabels = Readonly<Record<string, string>>;

export interface MetricOptions {
  readonly description: string;
  readonly unit?: string;
}

/** Makes instruments. Names are prefixed `drawbridge_<service>_` and end in their unit: `requests`, `request_duration_seconds`. */
export interface Metrics {
  counter(name: string, options: MetricOptions): { add(n: number, labels?: MetricLabels): void };
  histogram(
    name: string,
    options: MetricOptions & { readonly buckets?: readonly number[] },
  ): { record(value: number, labels?: MetricLabels): void };
  /** `read` is called at every scrape. */
  gauge(name: string, options: MetricOptions, read: () => number | readonly (readonly [number, MetricLabels])[]): void;
}

/** Seconds; from a cached read to a slow roll-out. */
const defaultBuckets = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30];

class PullReader extends MetricReader {
  protected override onShutdown(): Promise<void> {
    return Promise.resolve();
  }
  protected override onForceFlush(): Promise<void> {
    return Promise.resolve();
  }
}

export interface MetricRegistry {
  readonly metrics: Metrics;
  /** Everything in the Prometheus text format 0.0.4. */
  text(): Promise<string>;
  shutdown(): Promise<void>;
}

export function createMetricRegistry(options: {
  readonly service: string;
  readonly resource: Resource;
}): MetricRegistry {
  const reader = new PullReader();
  const provider = new MeterProvider({ resource: options.resource, readers: [reader] });
  const meter = provider.getMeter(options.service);
  const serializer = new PrometheusSerializer(undefined, false, undefined, true, true);
  const prefix = `drawbridge_${options.service.replaceAll("-", "_")}_`;
  const instrument = ({ description, unit }: MetricOptions) => ({
    description,
    ...(unit === undefined ? {} : { unit }),
  });

  const metrics: Metrics = {
    counter: (name, about) => meter.createCounter(prefix + name, instrument(about)),
    histogram: (name, about) =>
      meter.createHistogram(prefix + name, {
        ...instrument(about),
        advice: { explicitBucketBoundaries: [...(about.buckets ?? defaultBuckets)] },
      }),
    gauge: (name, about, read) => {
      meter.createObservableGauge(prefix + name, instrument(about)).addCallback((observer) => {
        const samples = read();
        if (typeof samples === "number") observer.observe(samples);
        else for (const [value, labels] of samples) observer.observe(value, labels);
      });
    },
  };
  return {
    metrics,
    text: async () => serializer.serialize((await reader.collect()).resourceMetrics),
    shutdown: () => provider.shutdown(),
  };
}
