import type { CapturedBody, CapturedField, ExchangeLine } from "../api/insight-types.ts";
import { formatBytes, formatTime } from "./format.ts";

/** "2026-11-22 14:07:31 CET  503  POST /orders/{id}  12 ms  shop", and below it what was captured, bodies on several lines. */
export function exchangeText(exchange: ExchangeLine): string {
  const { at, status, method, path, latencyMs, application, violatedPolicy } = exchange;
  const head = [
    formatTime(at),
    status === 0 ? "---" : String(status),
    plain(`${method} ${path || "?"}`),
    `${Math.round(latencyMs)} ms`,
    plain(application) || "-",
    ...(violatedPolicy === "" ? [] : [plain(`refused by ${violatedPolicy}`)]),
  ].join("  ");
  return [
    head,
    ...fieldLines("query", exchange.query),
    ...fieldLines("request", exchange.requestHeaders),
    ...bodyLines("request body", exchange.requestBody),
    ...fieldLines("answer", exchange.answerHeaders),
    ...bodyLines("answer body", exchange.answerBody),
  ].join("\n");
}

function fieldLines(title: string, fields: readonly CapturedField[]): readonly string[] {
  return fields.map(({ name, value }) => `  ${title}  ${plain(name)}: ${plain(value)}`);
}

function bodyLines(title: string, body: CapturedBody | null | undefined): readonly string[] {
  if (!body) return [];
  const { bytes, mediaType, form, json, fields } = body;
  const told = form === "json" || form === "fields" ? "" : `, ${plain(form)}`;
  return [
    `  ${title}  ${plain(mediaType) || "no type"}, ${formatBytes(bytes)}${told}`,
    ...(json ? indented(json) : []),
    ...fields.map(({ name, value }) => `    ${plain(name)}=${plain(value)}`),
  ];
}

/** JSON leaves no control character as it is; what is no JSON is made plain. */
function indented(json: string): readonly string[] {
  let text: string;
  try {
    text = JSON.stringify(JSON.parse(json), null, 2);
  } catch {
    text = json;
  }
  return text.split("\n").map((line) => `    ${plain(line)}`);
}

/** What strangers wrote moves no cursor of a terminal. */
function plain(text: string): string {
  return text.replaceAll(
    /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu,
    (character) => `\\u{${(character.codePointAt(0) ?? 0).toString(16)}}`,
  );
}
