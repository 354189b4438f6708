import {
  createNativeBlockWriter,
  dateTime64Column,
  dateTimeColumn,
  float32Column,
  float64Column,
  lowCardinalityColumn,
  stringColumn,
  uint32Column,
  uint64Column,
  uint8Column,
} from "@drawbridge/columnar";
import type { MetricRow, OwnReading } from "../domain/metric-rows.ts";
import type { CounterChange } from "./counter-book.ts";

/** The table `app_metrics` as a block. */
export function createMetricBlock() {
  const writer = createNativeBlockWriter({
    ts: dateTime64Column(),
    received_ts: dateTimeColumn(),
    environment: lowCardinalityColumn(),
    app: lowCardinalityColumn(),
    fabric_id: lowCardinalityColumn(),
    replica: lowCardinalityColumn(),
    batch: uint64Column(),
    measured: uint8Column(),
    interval_ms: uint32Column(),
    cpu_millicores: float32Column(),
    memory_used: uint64Column(),
    memory_total: uint64Column(),
    messages: uint64Column(),
    response_ms_sum: float64Column(),
    response_count: uint64Column(),
    errors: uint64Column(),
  });
  const { columns } = writer;
  return {
    writer,
    push: (row: MetricRow, of: { readonly batch: number; readonly receivedAt: Date }) => {
      columns.ts.push(row.timeMs);
      columns.received_ts.push(Math.floor(of.receivedAt.getTime() / 1_000));
      columns.environment.push(row.environment);
      columns.app.push(row.app);
      columns.fabric_id.push(row.fabricId);
      columns.replica.push(row.replica);
      columns.batch.push(of.batch);
      columns.measured.push(row.measured);
      columns.interval_ms.push(Math.round(row.intervalMs));
      columns.cpu_millicores.push(row.cpuMillicores);
      columns.memory_used.push(exactly(row.memoryUsed));
      columns.memory_total.push(exactly(row.memoryTotal));
      columns.messages.push(exactly(row.messages));
      columns.response_ms_sum.push(row.responseMsSum);
      columns.response_count.push(exactly(row.responseCount));
      columns.errors.push(exactly(row.errors));
    },
  };
}

/** The table `app_own_metrics` as a block. */
export function createOwnBlock() {
  const writer = createNativeBlockWriter({
    ts: dateTime64Column(),
    received_ts: dateTimeColumn(),
    environment: lowCardinalityColumn(),
    app: lowCardinalityColumn(),
    fabric_id: lowCardinalityColumn(),
    metric: lowCardinalityColumn(),
    kind: lowCardinalityColumn(),
    method: lowCardinalityColumn(),
    status_class: lowCardinalityColumn(),
    replica: lowCardinalityColumn(),
    batch: uint64Column(),
    value: float64Column(),
    observations: uint64Column(),
  });
  const { columns } = writer;
  return {
    writer,
    push: (
      reading: OwnReading,
      of: { readonly fabricId: string; readonly batch: number; readonly receivedAt: Date },
    ) => {
      columns.ts.push(reading.timeMs);
      columns.received_ts.push(Math.floor(of.receivedAt.getTime() / 1_000));
      columns.environment.push(reading.environment);
      columns.app.push(reading.app);
      columns.fabric_id.push(of.fabricId);
      columns.metric.push(reading.metric);
      columns.kind.push(reading.kind);
      columns.method.push(reading.method);
      columns.status_class.push(reading.statusClass);
      columns.replica.push(reading.replica);
      columns.batch.push(of.batch);
      columns.value.push(reading.value);
      columns.observations.push(reading.count);
    },
  };
}

/** Each value that adds up to it is exact; the sum of many need not be, and no column takes what is not. */
function exactly(sum: number): number {
  return Math.min(sum, Number.MAX_SAFE_INTEGER);
}

/** The table `counter_baseline` as a block. */
export function createBaselineBlock() {
  const writer = createNativeBlockWriter({
    fabric_id: lowCardinalityColumn(),
    series: stringColumn(),
    start_ts: dateTime64Column(),
    ts: dateTime64Column(),
    value: float64Column(),
    samples: float64Column(),
  });
  const { columns } = writer;
  return {
    writer,
    push: ({ fabricId, series, baseline }: CounterChange) => {
      columns.fabric_id.push(fabricId);
      columns.series.push(series);
      columns.start_ts.push(baseline.startMs);
      columns.ts.push(baseline.timeMs);
      columns.value.push(baseline.value);
      columns.samples.push(baseline.count);
    },
  };
}
