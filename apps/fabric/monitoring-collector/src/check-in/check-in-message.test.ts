import { expect, test } from "vitest";
import { encodeCheckIn, parseAnswer } from "./check-in-message.ts";

test("sends the fields that have a data class and nothing else", () => {
  const message = { version: "1.0.0", bootId: "b", time: "t", hostname: "customer.example" };
  expect(JSON.parse(encodeCheckIn(message))).toEqual({ version: "1.0.0", bootId: "b", time: "t" });
});

test.each([
  [1, 20],
  [15_000, 15_000],
  [86_400_000, 600_000],
])("an interval of %d ms becomes %d: the control plane cannot make it flood or fall silent", (asked, kept) => {
  const text = JSON.stringify({ serverTime: "2026-11-22T00:00:00.000Z", intervalMs: asked });
  expect(parseAnswer(text)).toEqual({ serverTime: new Date("2026-11-22T00:00:00Z"), intervalMs: kept });
});

test.each([
  "",
  "[]",
  "{}",
  '{"serverTime":"yesterday","intervalMs":5}',
  '{"serverTime":"2026-11-22T00:00:00Z","intervalMs":0}',
])("refuses %j as an answer", (text) => {
  expect(() => parseAnswer(text)).toThrow(/makes no sense/);
});
