import { createWriteStream, type WriteStream } from "node:fs";
import { once } from "node:events";
import { SpanKind, SpanStatusCode } from "@opentelemetry/api";
import { ExportResultCode, hrTimeToMicroseconds, type ExportResult } from "@opentelemetry/core";
import type { ReadableSpan, SpanExporter } from "@opentelemetry/sdk-trace";
import { redactSecrets } from "./redact-secrets.ts";

/** Appends spans to a file, one JSON object per line. For tests and the local stack. */
export class FileSpanExporter implements SpanExporter {
  readonly #file: WriteStream;
  #failure: Error | undefined;

  constructor(path: string) {
    this.#file = createWriteStream(path, { flags: "a", mode: 0o600 });
    this.#file.on("error", (error) => {
      this.#failure = error;
    });
  }

  export(spans: ReadableSpan[], done: (result: ExportResult) => void): void {
    if (this.#failure) return done({ code: ExportResultCode.FAILED, error: this.#failure });
    this.#file.write(spans.map((span) => `${redactSecrets(JSON.stringify(toRecord(span)))}\n`).join(""), (error) =>
      done(error ? { code: ExportResultCode.FAILED, error } : { code: ExportResultCode.SUCCESS }),
    );
  }

  async shutdown(): Promise<void> {
    if (this.#file.closed || this.#failure) return;
    this.#file.end();
    await once(this.#file, "close");
  }
}

function toRecord(span: ReadableSpan): object {
  const { traceId, spanId } = span.spanContext();
  return {
    traceId,
    spanId,
    parentSpanId: span.parentSpanContext?.spanId ?? "",
    name: span.name,
    kind: SpanKind[span.kind],
    service: span.resource.attributes["service.name"],
    replica: span.resource.attributes["service.instance.id"],
    startUs: Math.round(hrTimeToMicroseconds(span.startTime)),
    durationUs: Math.round(hrTimeToMicroseconds(span.duration)),
    status: SpanStatusCode[span.status.code],
    attributes: span.attributes,
  };
}
