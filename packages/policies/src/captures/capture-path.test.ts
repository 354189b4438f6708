import fc from "fast-check";
import { expect, test } from "vitest";
import { parseCapturePath, parseRedactRule } from "./capture-path.ts";
import { isNeverRevealed } from "./withheld-names.ts";

test.each([
  ["$", []],
  ["$.order.items[*].sku", ["order", "items", { step: "each" }, "sku"]],
  ['$.labels["a b"].*', ["labels", "a b", { step: "any" }]],
  ["$[*][*]", [{ step: "each" }, { step: "each" }]],
])("reads %j as a path in a body", (text, steps) => {
  const expected = steps.map((step) => (typeof step === "string" ? { step: "name", name: step } : step));
  expect(parseCapturePath(text)).toEqual({ place: "body", steps: expected });
});

test("names of headers are compared in lower case, those of a query as they are", () => {
  expect(parseCapturePath("header.Content-Type")).toEqual({ place: "header", name: "content-type" });
  expect(parseCapturePath("query.Page")).toEqual({ place: "query", name: "Page" });
});

test.each([
  "",
  "order",
  "$order",
  "$..sku",
  "$.",
  "$.a b",
  "$[0]",
  "$[",
  '$["a]',
  "header.",
  "cookie.a",
  `$${".a".repeat(33)}`,
])("%j is no path: what cannot be read reveals nothing", (text) => {
  expect(parseCapturePath(text)).toBeUndefined();
});

test("a name alone redacts wherever it stands, whatever its case and separators", () => {
  expect(parseRedactRule("E-Mail")).toEqual({ place: "anywhere", name: "email" });
  expect(parseRedactRule("$.users")).toMatchObject({ place: "body" });
  expect(parseRedactRule("a b")).toBeUndefined();
});

test("whatever is asked for as a path is read or refused, and never throws", () => {
  fc.assert(
    fc.property(fc.string({ unit: fc.constantFrom("$", ".", "[", "]", "*", '"', "a", "-", "é", "\\") }), (text) => {
      const path = parseCapturePath(text);
      if (path?.place === "body") expect(text.startsWith("$")).toBe(true);
    }),
  );
});

test.each([
  "Authorization",
  "proxy-authorization",
  "Cookie",
  "Set-Cookie",
  "x-api-key",
  "apiKey",
  "client_secret",
  "newPassword",
  "PASSWORD_2",
  "accessToken",
  "idtoken",
  "card",
  "cardNumber",
  "card_no",
  "PAN",
  "cvv2",
  "customerIBAN",
  "iban",
  "SSN",
  "userSsn",
  "pin",
  "x-csrf-token",
  "ｐassword",
])("%j is never revealed", (name) => {
  expect(isNeverRevealed(name)).toBe(true);
});

test.each([
  "sku",
  "order",
  "content-type",
  "status",
  "discard",
  "className",
  "company",
  "shipping",
  "description",
  "Spain",
])("%j may be revealed", (name) => {
  expect(isNeverRevealed(name)).toBe(false);
});
