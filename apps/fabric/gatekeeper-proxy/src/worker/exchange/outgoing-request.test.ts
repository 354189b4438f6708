import { expect, test } from "vitest";
import { areSafeFields } from "./outgoing-request.ts";

const parsed = ["accept", "*/*", "client_secret", "s", "x-note", "plain"];

test.each([
  [["accept", "*/*", "x-note", "plain"], true],
  [["accept", "*/*", "x-note", "plain", "x-user", "ann"], true],
  [["x-user", "ann\r\nx-admin: yes", "accept", "*/*"], false],
  [["accept", "*/*", "x-note", "plain\nx-admin: yes"], false],
  [["accept", "*/*", "x note", "plain"], false],
])("of fields that policies have changed to %j it says %j", (fields, isSafe) => {
  expect(areSafeFields(fields, parsed)).toBe(isSafe);
  expect(areSafeFields(fields)).toBe(isSafe);
});
