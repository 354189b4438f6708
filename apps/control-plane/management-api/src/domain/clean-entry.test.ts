import { expect, test } from "vitest";
import { cleanEntry, cleanText } from "./clean-entry.ts";

test("keeps control characters and lone surrogates out of the audit log", () => {
  expect(cleanText("a\0b\x1b[31m\ud800")).toBe("a\ufffdb\ufffd[31m\ufffd");
  expect(cleanText("gr\u00fc\u00df \u{1f600}")).toBe("gr\u00fc\u00df \u{1f600}");
});

test("cuts long text, and leaves no half of a surrogate pair where it cuts", () => {
  expect(cleanText("x".repeat(1_000))).toHaveLength(512);
  const cut = cleanText(`x${"\u{1f600}".repeat(500)}`);
  expect(cut).toHaveLength(512);
  expect(cut.isWellFormed()).toBe(true);
});

test("cleans the names and values of details too", () => {
  const entry = { requestId: "r", actor: "a", address: "", action: "x.y", target: "t\n", details: { "k\n": "v\n" } };
  expect(cleanEntry(entry)).toMatchObject({ target: "t\ufffd", details: { "k\ufffd": "v\ufffd" } });
});
