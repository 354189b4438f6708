import { isSpanContextValid, trace } from "@opentelemetry/api";
import { pino, stdTimeFunctions, type DestinationStream, type Logger } from "pino";
import pretty from "pino-pretty";
import { field } from "./field.ts";
import { redactSecrets } from "./redact-secrets.ts";
import { serializeError } from "./serialize-error.ts";

export const logLevels = ["trace", "debug", "info", "warn", "error", "fatal", "silent"] as const;
export type LogLevel = (typeof logLevels)[number];

export const logFormats = ["json", "pretty"] as const;
export type LogFormat = (typeof logFormats)[number];

export interface LoggerOptions {
  /** In every record. */
  readonly service: string;
  /** Default "info". */
  readonly level?: LogLevel;
  /** Default "json": one object per line. "pretty" is for people's eyes in development. */
  readonly format?: LogFormat;
  /** Default: standard output, written synchronously so that the last record before an exit is not lost. */
  readonly destination?: DestinationStream;
}

/**
 * The root logger. Every line passes `redactSecrets` after it was serialised, so that a secret is caught wherever it
 * hides; records inside a trace carry trace_id and span_id.
 */
export function createLogger(options: LoggerOptions): Logger {
  const output = options.destination ?? pino.destination({ dest: 1, sync: true });
  const stream =
    options.format === "pretty"
      ? pretty({
          destination: output,
          translateTime: "HH:MM:ss.l",
          ignore: "service,trace_id,span_id",
          singleLine: true,
          sync: true,
        })
      : output;
  return pino(
    {
      level: options.level ?? "info",
      base: { service: options.service },
      timestamp: stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
      serializers: { err: serializeError, error: serializeError },
      mixin: traceFields,
      hooks: { streamWrite: redactSecrets },
    },
    stream,
  );
}

function traceFields(): object {
  const context = trace.getActiveSpan()?.spanContext();
  if (!context || !isSpanContextValid(context)) return {};
  return { [field.traceId]: context.traceId, [field.spanId]: context.spanId };
}
