import { expect, test } from "vitest";
import { cleanEntry, cleanText, factsInParts } from "./clean-entry.ts";

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

test("a list that is too long for one fact is in several, whole", () => {
  const paths = Array.from({ length: 100 }, (_each, index) => `$.${"x".repeat(index * 4)}.last${index}`);
  const facts = factsInParts("reveal", paths, { separator: " " });
  expect(Object.keys(facts).slice(0, 3)).toEqual(["reveal", "reveal.1", "reveal.2"]);
  expect(Object.values(facts).map(cleanText)).toEqual(Object.values(facts));
  expect(Object.values(facts).join(" ").split(" ")).toEqual(paths);
});

test.each([
  [[], { reveal: "" }],
  [["$.a", "$.b"], { reveal: "$.a $.b" }],
  [["x".repeat(255), "y".repeat(256)], { reveal: `${"x".repeat(255)} ${"y".repeat(256)}` }],
  [["x".repeat(256), "y".repeat(256)], { reveal: "x".repeat(256), "reveal.1": "y".repeat(256) }],
])("%j is in as few facts as hold it", (paths, facts) => {
  expect(factsInParts("reveal", paths, { separator: " " })).toEqual(facts);
});

test("a text in parts is halved in no character", () => {
  const text = `x${"\u{1f600}".repeat(500)}`;
  const facts = Object.values(factsInParts("where", Array.from(text), { separator: "" }));
  expect(facts.every((each) => each.isWellFormed())).toBe(true);
  expect(facts.map(cleanText).join("")).toBe(text);
});
