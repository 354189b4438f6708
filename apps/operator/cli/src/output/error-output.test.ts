import { DrawbridgeError } from "@drawbridge/errors";
import { expect, test } from "vitest";
import { errorJson, errorText, wantsJson } from "./error-output.ts";

test.each([
  [["app", "list", "-o", "json"], true],
  [["app", "list", "--output", "json"], true],
  [["app", "list", "--output=json"], true],
  [["app", "list", "-ojson"], true],
  [["app", "list", "-o", "table"], false],
  [["app", "show", "json"], false],
  [["app", "show", "--", "-o", "json"], false],
])("%j asks for JSON: %j", (args, expected) => {
  expect(wantsJson(args)).toBe(expected);
});

const error = new DrawbridgeError({
  kind: "invalid_argument",
  code: "REQUEST_INVALID",
  message: "the request is not valid",
  details: { "field:replicas": "must be 0 to 100", limit: "100" },
  retryAfterMs: 5,
});

test("people read the fields at fault below the message", () => {
  expect(errorText(error)).toBe("error: the request is not valid\n  replicas: must be 0 to 100\n(REQUEST_INVALID)\n");
});

test("what a server said stays within its message and moves no cursor", () => {
  const said = new DrawbridgeError({
    kind: "internal",
    code: "A\u001b",
    message: "no\u001b[2J\nerror: forged",
    details: { "field:a\r": "\u202eb" },
  });
  expect(errorText(said)).toBe("error: no\\u{1b}[2J\n  error: forged\n  a\\u{d}: \\u{202e}b\n(A\\u{1b})\n");
});

test("scripts get one line with the fields apart from the other facts", () => {
  expect(JSON.parse(errorJson(error))).toEqual({
    code: "REQUEST_INVALID",
    kind: "invalid_argument",
    message: "the request is not valid",
    field: "replicas",
    errors: [{ field: "replicas", message: "must be 0 to 100" }],
    details: { limit: "100" },
    retryAfterMs: 5,
  });
  expect(errorJson(error).trimEnd()).not.toContain("\n");
});
