export type { Logger } from "pino";
export {
  createLogger,
  logFormats,
  logLevels,
  type LogFormat,
  type LoggerOptions,
  type LogLevel,
} from "./create-logger.ts";
export { field } from "./field.ts";
export type { MetricLabels, MetricOptions, Metrics } from "./metrics.ts";
export { redactSecrets } from "./redact-secrets.ts";
export { serializeError, type SerializedError } from "./serialize-error.ts";
export { currentTraceparent, withSpan, type SpanKindName, type SpanOptions } from "./span.ts";
export { startTelemetry, type Telemetry, type TelemetryOptions } from "./start-telemetry.ts";
