import { expect, test } from "vitest";
import { anExchange, createPolicy, problemsOf, verdictOf, type TestRequest } from "../../testing/harness.ts";
import { requestSizeLimit } from "./request-size-limit.ts";

test.each<[string, TestRequest, string]>([
  ["a body of the limit", { contentLength: 100 }, "pass"],
  ["one byte more", { contentLength: 101 }, "413 body_too_large"],
  ["a body whose length is not declared is counted as it streams", { contentLength: undefined }, "pass"],
  ["headers of the limit", { headers: { a: "x".repeat(299) } }, "pass"],
  ["headers of one byte more", { headers: { a: "x".repeat(300) } }, "431 headers_too_large"],
  ["a target of the limit", { path: `/api/${"x".repeat(44)}`, query: "" }, "pass"],
  ["a target of one byte more", { path: `/api/${"x".repeat(43)}`, query: "ab" }, "414 target_too_long"],
])("%s", async (_case, request, verdict) => {
  const policy = await createPolicy(requestSizeLimit, { bodyBytes: 100, headerBytes: 300, targetBytes: 50 });
  expect(verdictOf(await policy.onRequest(anExchange(request)))).toBe(verdict);
});

test("tells the gateway how many bytes of a stream may pass, and what to answer then", async () => {
  const policy = await createPolicy(requestSizeLimit, { bodyBytes: 100 });
  expect(policy.streamLimit?.bytes).toBe(100);
  const reply = policy.streamLimit?.tooLarge(anExchange());
  expect(verdictOf(reply)).toBe("413 body_too_large");
  expect(reply).toMatchObject({ isViolation: true, policyName: "a policy" });
});

test("without other limits, headers and target are the gateway's business", async () => {
  const policy = await createPolicy(requestSizeLimit, { bodyBytes: 0 });
  const request = { headers: { a: "x".repeat(10_000) }, path: `/api/${"x".repeat(8_000)}` };
  expect(verdictOf(await policy.onRequest(anExchange(request)))).toBe("pass");
  expect(verdictOf(await policy.onRequest(anExchange({ contentLength: 1 })))).toBe("413 body_too_large");
});

test.each([
  [{}, "bodyBytes"],
  [{ bodyBytes: -1 }, "bodyBytes"],
  [{ bodyBytes: 1, headerBytes: 1 }, "headerBytes"],
])("refuses the configuration %j at %s", (configuration, field) => {
  expect(problemsOf(requestSizeLimit, configuration)).toEqual([expect.stringMatching(new RegExp(`^${field}: `))]);
});
