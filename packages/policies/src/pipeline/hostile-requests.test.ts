import fc from "fast-check";
import { expect, test } from "vitest";
import { policyCatalogue } from "../catalogue.ts";
import { apiSources, type TestPolicy } from "../testing/documents.ts";
import { aResponse, anExchange, createTestServices } from "../testing/harness.ts";
import { compileApi } from "./compile-api.ts";

const limits = [{ requests: 3, periodMs: 1_000 }];
const proxies = { source: "x_forwarded_for", trustedProxies: ["0.0.0.0/0", "::/0"] };

/** A configuration of each type that reads as much of a request as it can, and needs nobody outside. */
const policies: readonly TestPolicy[] = [
  { type: "cors", configuration: { groups: [{ origins: ["https://*.example.com"] }], otherOrigins: "refuse" } },
  { type: "client-id-enforcement" },
  { type: "client-id-enforcement", configuration: { credentials: { source: "basic" } } },
  { type: "client-id-enforcement", configuration: { credentials: { source: "query" }, check: "id_only" } },
  { type: "ip-allow-list", configuration: { addresses: ["192.0.2.0/24"], address: proxies } },
  { type: "ip-block-list", configuration: { addresses: ["2001:db8::/32"], address: proxies } },
  { type: "request-size-limit", configuration: { bodyBytes: 10, headerBytes: 256, targetBytes: 100 } },
  { type: "rate-limiting", configuration: { limits, key: { by: "client_address" }, exposeHeaders: true } },
  { type: "rate-limiting", configuration: { limits, key: { by: "header", name: "x-a" } } },
  { type: "sla-rate-limiting" },
  { type: "spike-control", configuration: { requests: 3, exposeHeaders: true } },
  { type: "quota", configuration: { requests: 3, per: "month" } },
  { type: "json-threat-protection" },
  { type: "xml-threat-protection" },
  { type: "http-caching" },
  { type: "retry" },
  { type: "circuit-breaker" },
  { type: "timeout", configuration: { connectMs: 1_000 } },
  { type: "message-logging" },
  {
    type: "header-injection",
    configuration: { inbound: [{ name: "x-a", value: "1" }], outbound: [{ name: "x-b", value: "2" }] },
  },
  { type: "header-removal", configuration: { inbound: ["x-*"], outbound: ["x-*"] } },
];

const text = fc.oneof(
  fc.string({ unit: "binary", maxLength: 60 }),
  fc.constantFrom("", ",", "%", "%zz", "=&=", "\0", "[::1]", "Basic Og==", "Basic ====", "*", "gzip, br"),
);
const name = fc.oneof(
  fc.constantFrom(
    "origin",
    "access-control-request-method",
    "access-control-request-headers",
    "client_id",
    "client_secret",
    "authorization",
    "x-forwarded-for",
    "x-a",
    "content-type",
    "content-encoding",
    "cache-control",
    "if-none-match",
    "range",
    "vary",
    "cookie",
    "__proto__",
    "constructor",
  ),
  fc.string({ maxLength: 10 }),
);
const headers = fc.array(fc.tuple(name, text), { maxLength: 12 }).map((pairs) => pairs.flat());
const request = fc.record({
  method: fc.constantFrom("GET", "POST", "OPTIONS", "PURGE", ""),
  path: text.map((rest) => `/${rest}`),
  query: text,
  rawHeaders: headers,
  peerAddress: fc.oneof(fc.ipV4(), fc.ipV6(), text),
  clientAddress: fc.oneof(fc.ipV4(), fc.ipV6(), text),
  contentLength: fc.constantFrom(undefined, 0, 5, 1_000_000),
  body: fc.oneof(text, fc.constantFrom("{", "[[[[", '{"a":1e999}', "<!DOCTYPE a>", "<a", "<a/>")),
});

test.each(policies.map((policy) => [policy.type, policy.configuration, policy]))(
  "%s %j judges whatever comes without failing",
  async (_type, _configuration, policy) => {
    expect(policyCatalogue.has(policy.type)).toBe(true);
    const services = createTestServices();
    const result = await compileApi(apiSources({ policies: [policy] }), { services });
    if (result.outcome === "unusable") throw new Error(JSON.stringify(result.problems));
    const { api } = result;
    await fc.assert(
      fc.asyncProperty(request, headers, async ({ rawHeaders, body, ...options }, responseHeaders) => {
        const bytes = Buffer.from(body);
        const exchange = anExchange({ ...options, loadBody: () => bytes });
        exchange.rawHeaders.push(...rawHeaders);
        const pipeline = api.pipeline(options.method, options.path);
        const reply = await pipeline.onRequest(exchange);
        expect(reply?.reason).not.toBe("policy_failed");
        // Nothing of a request ends a line of a response.
        expect((reply?.headers ?? []).filter((part) => /[\r\n\0]/.test(part))).toEqual([]);
        expect((reply?.headers.length ?? 0) % 2).toBe(0);
        const response = aResponse(reply?.status ?? 200, {}, reply ? "policy" : "upstream");
        response.rawHeaders.push(...(reply?.headers ?? responseHeaders));
        expect(pipeline.onResponse(exchange, response)?.reason).toBeUndefined();
        const tap = pipeline.tapResponse(exchange, response);
        tap?.chunk(bytes);
        tap?.end(true);
        pipeline.onEnd(exchange, {
          status: response.status,
          origin: response.origin,
          isComplete: true,
          durationMs: 1,
          requestBytes: 0,
          responseBytes: bytes.length,
        });
        expect(services.alarms).toEqual([]);
      }),
      { numRuns: 300 },
    );
  },
);
