import { Bucket, Dimension, ExportFormat, Measure } from "@drawbridge/contracts/analytics/v1/analytics_service";
import { Disposition, GapReason } from "@drawbridge/contracts/analytics/v1/request_batch";

/** What requests are grouped and filtered by; the environment is that of the path. */
export const dimensions = {
  api: Dimension.DIMENSION_API,
  apiVersion: Dimension.DIMENSION_API_VERSION,
  application: Dimension.DIMENSION_APPLICATION,
  resourcePath: Dimension.DIMENSION_RESOURCE_PATH,
  verb: Dimension.DIMENSION_VERB,
  statusCode: Dimension.DIMENSION_STATUS_CODE,
  statusClass: Dimension.DIMENSION_STATUS_CLASS,
  violatedPolicy: Dimension.DIMENSION_VIOLATED_POLICY,
  disposition: Dimension.DIMENSION_DISPOSITION,
  clientIp: Dimension.DIMENSION_CLIENT_IP,
  continent: Dimension.DIMENSION_CONTINENT,
  country: Dimension.DIMENSION_COUNTRY,
  city: Dimension.DIMENSION_CITY,
  postalCode: Dimension.DIMENSION_POSTAL_CODE,
  timezone: Dimension.DIMENSION_TIMEZONE,
  browser: Dimension.DIMENSION_BROWSER,
  userAgentType: Dimension.DIMENSION_USER_AGENT_TYPE,
  userAgentVersion: Dimension.DIMENSION_USER_AGENT_VERSION,
  hardwarePlatform: Dimension.DIMENSION_HARDWARE_PLATFORM,
  osFamily: Dimension.DIMENSION_OS_FAMILY,
  osMajorVersion: Dimension.DIMENSION_OS_MAJOR_VERSION,
  osMinorVersion: Dimension.DIMENSION_OS_MINOR_VERSION,
  osVersion: Dimension.DIMENSION_OS_VERSION,
  app: Dimension.DIMENSION_APP,
  replica: Dimension.DIMENSION_REPLICA,
  gateway: Dimension.DIMENSION_GATEWAY,
  fabricId: Dimension.DIMENSION_FABRIC,
} as const;

export const measures = {
  requests: Measure.MEASURE_REQUESTS,
  clientErrors: Measure.MEASURE_CLIENT_ERRORS,
  serverErrors: Measure.MEASURE_SERVER_ERRORS,
  errorRate: Measure.MEASURE_ERROR_RATE,
  violations: Measure.MEASURE_VIOLATIONS,
  latencyMeanMs: Measure.MEASURE_LATENCY_MEAN_MS,
  latencyP50Ms: Measure.MEASURE_LATENCY_P50_MS,
  latencyP90Ms: Measure.MEASURE_LATENCY_P90_MS,
  latencyP95Ms: Measure.MEASURE_LATENCY_P95_MS,
  latencyP99Ms: Measure.MEASURE_LATENCY_P99_MS,
  latencyMaxMs: Measure.MEASURE_LATENCY_MAX_MS,
  upstreamMeanMs: Measure.MEASURE_UPSTREAM_MEAN_MS,
  gatewayMeanMs: Measure.MEASURE_GATEWAY_MEAN_MS,
  requestBytes: Measure.MEASURE_REQUEST_BYTES,
  responseBytes: Measure.MEASURE_RESPONSE_BYTES,
  uniqueClients: Measure.MEASURE_UNIQUE_CLIENTS,
} as const;

export const buckets = {
  minute: Bucket.BUCKET_MINUTE,
  quarterHour: Bucket.BUCKET_QUARTER_HOUR,
  hour: Bucket.BUCKET_HOUR,
  day: Bucket.BUCKET_DAY,
  week: Bucket.BUCKET_WEEK,
  month: Bucket.BUCKET_MONTH,
} as const;

export const exportFormats = {
  csv: { format: ExportFormat.EXPORT_FORMAT_CSV, mediaType: "text/csv; charset=utf-8" },
  ndjson: { format: ExportFormat.EXPORT_FORMAT_NDJSON, mediaType: "application/x-ndjson" },
  parquet: { format: ExportFormat.EXPORT_FORMAT_PARQUET, mediaType: "application/vnd.apache.parquet" },
} as const;

export const dispositionNames: Readonly<Record<Disposition, string>> = {
  [Disposition.DISPOSITION_UNSPECIFIED]: "",
  [Disposition.DISPOSITION_PROCESSED]: "processed",
  [Disposition.DISPOSITION_POLICY_VIOLATION]: "policy_violation",
  [Disposition.DISPOSITION_BLOCKED]: "blocked",
  [Disposition.DISPOSITION_ERROR]: "error",
  [Disposition.UNRECOGNIZED]: "",
};

export const gapReasonNames: Readonly<Record<GapReason, string>> = {
  [GapReason.GAP_REASON_UNSPECIFIED]: "unknown",
  [GapReason.GAP_REASON_OVERLOADED]: "overloaded",
  [GapReason.GAP_REASON_SPOOL_FULL]: "spool_full",
  [GapReason.GAP_REASON_TOO_OLD]: "too_old",
  [GapReason.GAP_REASON_SPOOL_DAMAGED]: "spool_damaged",
  [GapReason.GAP_REASON_REFUSED]: "refused",
  [GapReason.GAP_REASON_INTERRUPTED]: "interrupted",
  [GapReason.UNRECOGNIZED]: "unknown",
};

export type DimensionName = keyof typeof dimensions;
export type MeasureName = keyof typeof measures;
export type BucketName = keyof typeof buckets;
export type ExportFormatName = keyof typeof exportFormats;

/** The names of one of these lists. */
export function namesOf<N extends string>(list: Readonly<Record<N, unknown>>): readonly N[] {
  return Object.keys(list) as N[]; // the keys of a closed list
}
