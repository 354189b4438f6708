import { expect, test } from "vitest";
import { hasBody, isReplayable, isRoutableRequest } from "./forwarded-headers.ts";

test.each([
  ["GET", {}, true],
  ["HEAD", {}, true],
  ["PUT", { "content-length": "0" }, true],
  ["DELETE", {}, true],
  ["POST", {}, false],
  ["PATCH", {}, false],
  ["PUT", { "content-length": "3" }, false],
  ["GET", { "transfer-encoding": "chunked" }, false],
  ["BREW", {}, false],
])("may repeat %s with %j: %s", (method, headers, expected) => {
  expect(isReplayable({ method, headers, rawHeaders: [] })).toBe(expected);
});

test.each([
  [{}, false],
  [{ "content-length": "0" }, false],
  [{ "content-length": "1" }, true],
  [{ "transfer-encoding": "chunked" }, true],
])("sees a body in %j: %s", (headers, expected) => {
  expect(hasBody({ headers })).toBe(expected);
});

test.each([
  ["/", ["Host", "a"], true],
  ["*", ["Host", "a"], true],
  ["/path", ["host", "a", "HOST", "b"], false],
  ["http://a/", ["Host", "a"], false],
  ["path", ["Host", "a"], false],
])("routes %s with %j: %s", (url, rawHeaders, expected) => {
  expect(isRoutableRequest({ url, rawHeaders })).toBe(expected);
});
