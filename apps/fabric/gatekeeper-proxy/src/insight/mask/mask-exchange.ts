import type { CapturedExchange, CapturedField } from "@drawbridge/contracts/insight/v1/insight_batch";
import type { CaptureOrder } from "../capture-order.ts";
import type { CopiedExchange } from "../insight-protocol.ts";
import { maskBody } from "./mask-body.ts";
import type { MaskRules, Telling } from "./mask-rules.ts";
import { toldField, toldPair } from "./mask-values.ts";
import { readPairs } from "./read-pairs.ts";

const mostQuery = 100;
const mostHeaders = 200;

/** What one capture is told of an exchange. */
export function maskExchange(
  exchange: CopiedExchange,
  { captureId, parts }: CaptureOrder,
  { rules, exchangeId }: { readonly rules: MaskRules; readonly exchangeId: string },
): CapturedExchange {
  const { api, query, requestHeaders, responseHeaders } = exchange;
  return {
    exchangeId,
    captureId,
    apiId: api.apiId,
    apiName: api.name,
    apiVersion: api.version,
    environment: api.environment,
    app: exchange.app,
    replica: exchange.replica,
    clientApplication: exchange.clientApplication,
    receivedAtMs: BigInt(Math.max(0, Math.round(exchange.receivedAtMs))),
    method: exchange.method,
    pathTemplate: exchange.pathTemplate,
    status: exchange.status,
    disposition: exchange.disposition,
    violatedPolicy: exchange.violatedPolicy,
    latencyUs: BigInt(Math.max(0, Math.round(exchange.latencyUs))),
    upstreamUs: BigInt(Math.max(0, Math.round(exchange.upstreamUs))),
    query: parts.includes("query") ? maskQuery(query, rules) : [],
    requestHeaders: parts.includes("requestHeaders") ? maskHeaders(requestHeaders, rules) : [],
    requestBody: parts.includes("requestBody") ? maskBody(exchange.requestBody, requestHeaders, rules) : undefined,
    responseHeaders: parts.includes("responseHeaders") ? maskHeaders(responseHeaders, rules) : [],
    responseBody: parts.includes("responseBody") ? maskBody(exchange.responseBody, responseHeaders, rules) : undefined,
  };
}

function maskQuery(query: string, rules: MaskRules): CapturedField[] {
  return readPairs(query, mostQuery).map((pair) => toldPair(pair, rules.query(pair.name)));
}

function maskHeaders(headers: readonly string[], rules: MaskRules): CapturedField[] {
  const told: CapturedField[] = [];
  for (let at = 0; at + 1 < headers.length && told.length < mostHeaders; at += 2) {
    const name = (headers[at] ?? "").toLowerCase();
    const telling: Telling = rules.header(name);
    told.push(toldField(name, headers[at + 1] ?? "", telling));
  }
  return told;
}
