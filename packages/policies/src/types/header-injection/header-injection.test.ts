import { expect, test } from "vitest";
import { aResponse, anExchange, createPolicy, problemsOf } from "../../testing/harness.ts";
import { headerInjection } from "./header-injection.ts";

test("puts headers on requests in place of what the client sent, in either spelling", async () => {
  const policy = await createPolicy(headerInjection, {
    inbound: [
      { name: "X-Api-Key", secretValue: "s3cret" },
      { name: "x-stage", value: "test" },
    ],
  });
  const exchange = anExchange({ headers: { "x-api-key": ["a", "b"], x_api_key: "c", accept: "*/*" } });
  expect(policy.onRequest(exchange)).toBeUndefined();
  expect(exchange.rawHeaders).toEqual(["accept", "*/*", "X-Api-Key", "s3cret", "x-stage", "test"]);
  expect(policy.onResponse).toBeUndefined();
});

test("puts headers on responses in place of what the upstream sent", async () => {
  const policy = await createPolicy(headerInjection, { outbound: [{ name: "cache-control", value: "no-store" }] });
  const response = aResponse(200, { "Cache-Control": "public", etag: "1" });
  policy.onResponse?.(anExchange(), response);
  expect(response.rawHeaders).toEqual(["etag", "1", "cache-control", "no-store"]);
});

test.each([
  "Connection",
  "content-length",
  "Content_Length",
  "Transfer-Encoding",
  "transfer_encoding",
  "TE",
  "Trailer",
  "Upgrade",
  "Keep-Alive",
  "Proxy-Connection",
  "Host",
  "Expect",
  "X-Forwarded-For",
  "X-Forwarded-Anything",
  "Forwarded",
  "Via",
  "X-Request-Id",
  "Date",
])("refuses %s, which frames messages or tells where they come from", (name) => {
  for (const direction of ["inbound", "outbound"]) {
    expect(problemsOf(headerInjection, { [direction]: [{ name, value: "x" }] })).toEqual([
      expect.stringMatching(new RegExp(`^${direction}\\.0\\.name: `)),
    ]);
  }
});

test.each([
  [{ name: "x-a", value: "a\r\nx-b: c" }, "inbound.0.value"],
  [{ name: "x-a", value: "a\u0000" }, "inbound.0.value"],
  [{ name: "x-a", value: " a" }, "inbound.0.value"],
  [{ name: "x-a", value: "é" }, "inbound.0.value"],
  [{ name: "x-a", value: "" }, "inbound.0.value"],
  [{ name: "x a", value: "a" }, "inbound.0.name"],
  [{ name: "x-a:", value: "a" }, "inbound.0.name"],
  [{ name: "", value: "a" }, "inbound.0.name"],
  [{ name: "x-a" }, "inbound.0.value"],
  [{ name: "x-a", value: "a", secretValue: "b" }, "inbound.0.value"],
])("refuses the header %j at %s", (header, field) => {
  expect(problemsOf(headerInjection, { inbound: [header] })).toEqual([
    expect.stringMatching(new RegExp(`^${field}: `)),
  ]);
});

test("refuses a header that is there twice, and a policy that does nothing", () => {
  const twice = [
    { name: "x-a", value: "1" },
    { name: "X-A", value: "2" },
  ];
  expect(problemsOf(headerInjection, { inbound: twice })).toEqual(["inbound.1.name: is there twice"]);
  expect(problemsOf(headerInjection, {})).toHaveLength(1);
});
