import { BinaryWriter } from "@bufbuild/protobuf/wire";

/** The two forms of OTLP over HTTP. */
export type OtlpForm = "protobuf" | "json";

export const contentTypeOf: Readonly<Record<OtlpForm, string>> = {
  protobuf: "application/x-protobuf",
  json: "application/json",
};

/** Data points that were not taken, and why; none when `rejected` is 0. */
export interface PartialSuccess {
  readonly rejected: number;
  readonly message: string;
}

/** ExportMetricsServiceResponse. */
export function exportResponse({ rejected, message }: PartialSuccess, form: OtlpForm): Uint8Array {
  if (form === "json") {
    const partialSuccess = { rejectedDataPoints: String(rejected), errorMessage: message };
    return Buffer.from(JSON.stringify(rejected === 0 ? {} : { partialSuccess }));
  }
  const writer = new BinaryWriter();
  if (rejected === 0) return writer.finish();
  writer.uint32(tagOf(1)).fork().uint32(varintTagOf(1)).int64(rejected).uint32(tagOf(2)).string(message).join();
  return writer.finish();
}

/** google.rpc.Status, which OTLP wants in the body of every error. */
export interface ErrorStatus {
  /** Of google.rpc.Code. */
  readonly code: number;
  /** Ours: SCREAMING_SNAKE_CASE. */
  readonly reason: string;
  readonly message: string;
}

export function errorResponse({ code, reason, message }: ErrorStatus, form: OtlpForm): Uint8Array {
  const text = `${reason}: ${message}`;
  if (form === "json") {
    const info = { "@type": "type.googleapis.com/google.rpc.ErrorInfo", reason, domain: "drawbridge" };
    return Buffer.from(JSON.stringify({ code, message: text, details: [info] }));
  }
  return new BinaryWriter().uint32(varintTagOf(1)).int32(code).uint32(tagOf(2)).string(text).finish();
}

function tagOf(no: number): number {
  return (no << 3) | 2;
}

function varintTagOf(no: number): number {
  return no << 3;
}
