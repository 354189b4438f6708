import type {
  Bucket as ContractBucket,
  Dimension as ContractDimension,
  ExportFormat,
  Measure as ContractMeasure,
} from "@drawbridge/contracts/analytics/v1/analytics_service";
import type { StreamFormat } from "@drawbridge/columnar";
import type { Dimension } from "./dimensions.ts";
import type { Measure } from "./measures.ts";
import { queryInvalid } from "./query-error.ts";
import type { BucketWidth } from "./time-buckets.ts";

const dimensions: Readonly<Record<Exclude<ContractDimension, 0 | -1>, Dimension>> = {
  1: "api",
  2: "api_version",
  3: "application",
  4: "resource_path",
  5: "verb",
  6: "status_code",
  7: "status_class",
  8: "violated_policy",
  9: "disposition",
  10: "client_ip",
  11: "continent",
  12: "country",
  13: "city",
  14: "postal_code",
  15: "timezone",
  16: "browser",
  17: "user_agent_type",
  18: "user_agent_version",
  19: "hardware_platform",
  20: "os_family",
  21: "os_major_version",
  22: "os_minor_version",
  23: "os_version",
  24: "app",
  25: "replica",
  26: "gateway",
  27: "fabric_id",
  28: "environment",
};

const measures: Readonly<Record<Exclude<ContractMeasure, 0 | -1>, Measure>> = {
  1: "requests",
  2: "client_errors",
  3: "server_errors",
  4: "error_rate",
  5: "violations",
  6: "latency_mean_ms",
  7: "latency_p50_ms",
  8: "latency_p90_ms",
  9: "latency_p95_ms",
  10: "latency_p99_ms",
  11: "latency_max_ms",
  12: "upstream_mean_ms",
  13: "gateway_mean_ms",
  14: "request_bytes",
  15: "response_bytes",
  16: "unique_clients",
};

const buckets: Readonly<Record<Exclude<ContractBucket, 0 | -1>, BucketWidth>> = {
  1: "minute",
  2: "quarter_hour",
  3: "hour",
  4: "day",
  5: "week",
  6: "month",
};

const formats: Readonly<Record<Exclude<ExportFormat, -1>, StreamFormat>> = {
  0: "CSVWithNames",
  1: "CSVWithNames",
  2: "JSONEachRow",
  3: "Parquet",
};

/** @throws DrawbridgeError `ANALYTICS_QUERY_INVALID`, as all below: not said, or of a newer contract */
export function dimensionOf(dimension: number, field: string): Dimension {
  return known(dimensions, dimension, field);
}

export function measureOf(measure: number, field: string): Measure {
  return known(measures, measure, field);
}

/** undefined: no buckets. */
export function bucketOf(bucket: number): BucketWidth | undefined {
  return bucket === 0 ? undefined : known(buckets, bucket, "bucket");
}

export function formatOf(format: number): StreamFormat {
  return known(formats, format, "format");
}

function known<T>(names: Readonly<Record<number, T>>, number: number, field: string): T {
  const name = names[number];
  if (name === undefined) throw queryInvalid(field, "is none that is known here");
  return name;
}
