import type { CapturedBody, CapturedField, ExchangeLine } from "../api/insight-types.ts";
import { formatBytes, formatTime } from "./format.ts";
import { plainText } from "./plain-text.ts";

/** "2026-11-22 14:07:31 CET  503  POST /orders/{id}  12 ms  shop", and below it what was captured, bodies on several lines. */
export function exchangeLines(exchange: ExchangeLine): readonly string[] {
  const { at, status, method, path, latencyMs, application, violatedPolicy } = exchange;
  const head = [
    formatTime(at),
    status === 0 ? "---" : String(status),
    plainText(`${method} ${path || "?"}`),
    `${Math.round(latencyMs)} ms`,
    plainText(application) || "-",
    ...(violatedPolicy === "" ? [] : [plainText(`refused by ${violatedPolicy}`)]),
  ].join("  ");
  return [
    head,
    ...fieldLines("query", exchange.query),
    ...fieldLines("request", exchange.requestHeaders),
    ...bodyLines("request body", exchange.requestBody),
    ...fieldLines("answer", exchange.answerHeaders),
    ...bodyLines("answer body", exchange.answerBody),
  ];
}

function fieldLines(title: string, fields: readonly CapturedField[]): readonly string[] {
  return fields.map(({ name, value }) => `  ${title}  ${plainText(name)}: ${plainText(value)}`);
}

function bodyLines(title: string, body: CapturedBody | null | undefined): readonly string[] {
  if (!body) return [];
  const { bytes, mediaType, form, json, fields } = body;
  const told = form === "json" || form === "fields" ? "" : `, ${plainText(form)}`;
  return [
    `  ${title}  ${plainText(mediaType) || "no type"}, ${formatBytes(bytes)}${told}`,
    ...(json ? indented(json) : []),
    ...fields.map(({ name, value }) => `    ${plainText(name)}=${plainText(value)}`),
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
  return text.split("\n").map((line) => `    ${plainText(line)}`);
}
