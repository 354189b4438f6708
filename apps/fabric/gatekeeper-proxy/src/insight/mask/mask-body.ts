import { brotliDecompressSync, gunzipSync, inflateSync } from "node:zlib";
import { BodyForm, type CapturedBody } from "@drawbridge/contracts/insight/v1/insight_batch";
import { headerValue } from "@drawbridge/policies";
import type { CopiedBody } from "../insight-protocol.ts";
import { maskJson } from "./mask-json.ts";
import type { MaskRules } from "./mask-rules.ts";
import { toldPair } from "./mask-values.ts";
import { readPairs } from "./read-pairs.ts";

/** Of a body, as it passes and unpacked. */
export const mostBodyBytes = 64 * 1024;
const mostToldBytes = 128 * 1024;
const mostFields = 200;

const decoders: Readonly<Record<string, ((bytes: Uint8Array) => Uint8Array) | undefined>> = {
  "": (bytes) => bytes,
  identity: (bytes) => bytes,
  gzip: (bytes) => gunzipSync(bytes, { maxOutputLength: mostBodyBytes }),
  deflate: (bytes) => inflateSync(bytes, { maxOutputLength: mostBodyBytes }),
  br: (bytes) => brotliDecompressSync(bytes, { maxOutputLength: mostBodyBytes }),
};

/** Media types that are told by name; a type may say more than a type. */
const knownTypes: ReadonlySet<string> = new Set([
  "application/grpc",
  "application/javascript",
  "application/json",
  "application/octet-stream",
  "application/pdf",
  "application/problem+json",
  "application/soap+xml",
  "application/x-ndjson",
  "application/x-protobuf",
  "application/x-www-form-urlencoded",
  "application/xml",
  "application/zip",
  "image/gif",
  "image/jpeg",
  "image/png",
  "image/svg+xml",
  "image/webp",
  "multipart/form-data",
  "text/css",
  "text/csv",
  "text/event-stream",
  "text/html",
  "text/plain",
  "text/xml",
]);

/** What is told of a body; never throws. */
export function maskBody(body: CopiedBody, headers: readonly string[], rules: MaskRules): CapturedBody {
  const type = mediaTypeOf(headerValue([...headers], "content-type"));
  const told = { bytes: BigInt(body.sizeBytes), mediaType: toldTypeOf(type), json: "", fields: [], revealed: [] };
  if (body.state === "incomplete") return { ...told, form: BodyForm.BODY_FORM_INCOMPLETE };
  if (body.sizeBytes === 0) return { ...told, form: BodyForm.BODY_FORM_EMPTY };
  if (body.state === "too_large" || body.bytes === undefined) return { ...told, form: BodyForm.BODY_FORM_TOO_LARGE };
  const isJson = type === "application/json" || type.endsWith("+json");
  const isForm = type === "application/x-www-form-urlencoded";
  if (!isJson && !isForm) return { ...told, form: BodyForm.BODY_FORM_OTHER };
  try {
    const text = unpacked(body.bytes, headerValue([...headers], "content-encoding") ?? "");
    if (text === undefined) return { ...told, form: BodyForm.BODY_FORM_MALFORMED };
    if (isForm) {
      const fields = maskForm(text, rules);
      return { ...told, form: BodyForm.BODY_FORM_FIELDS, fields };
    }
    const { json, revealed } = maskJson(JSON.parse(text), rules.body());
    if (Buffer.byteLength(json) > mostToldBytes) return { ...told, form: BodyForm.BODY_FORM_TOO_LARGE };
    return { ...told, form: BodyForm.BODY_FORM_JSON, json, revealed: [...revealed] };
  } catch (error) {
    const isTooLarge = error instanceof RangeError && "code" in error && error.code === "ERR_BUFFER_TOO_LARGE";
    return { ...told, form: isTooLarge ? BodyForm.BODY_FORM_TOO_LARGE : BodyForm.BODY_FORM_MALFORMED };
  }
}

/** @throws if it is not what it says it is */
function unpacked(bytes: Uint8Array, encoding: string): string | undefined {
  const decode = decoders[encoding.trim().toLowerCase()];
  return decode && new TextDecoder("utf-8", { fatal: true }).decode(decode(bytes));
}

function maskForm(text: string, rules: MaskRules): CapturedBody["fields"] {
  return readPairs(text, mostFields).map((pair) => {
    return toldPair(pair, rules.form({ name: pair.name, isNameless: pair.value === undefined }));
  });
}

function mediaTypeOf(contentType: string | undefined): string {
  return (contentType ?? "").split(";", 1)[0]?.trim().toLowerCase() ?? "";
}

function toldTypeOf(type: string): string {
  if (type === "" || knownTypes.has(type)) return type;
  return type.endsWith("+json") ? "application/*+json" : "other";
}
