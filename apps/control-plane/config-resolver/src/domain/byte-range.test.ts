import fc from "fast-check";
import { expect, test } from "vitest";
import { chooseByteRange, matchesNone } from "./byte-range.ts";

const etag = '"sha256:aa"';
const ask = (range: string | undefined, ifRange?: string, sizeBytes = 100) =>
  chooseByteRange({ range, ifRange, etag, sizeBytes });

test.each([
  ["the first bytes", "bytes=0-9", { outcome: "part", start: 0, end: 9 }],
  ["from an offset to the end", "bytes=90-", { outcome: "part", start: 90, end: 99 }],
  ["the last bytes", "bytes=-10", { outcome: "part", start: 90, end: 99 }],
  ["more than there is, cut at the end", "bytes=50-1000", { outcome: "part", start: 50, end: 99 }],
  ["more last bytes than there are", "bytes=-1000", { outcome: "part", start: 0, end: 99 }],
  ["the last byte", "bytes=99-99", { outcome: "part", start: 99, end: 99 }],
  ["a start at the end", "bytes=100-", { outcome: "unsatisfiable" }],
  ["no last bytes", "bytes=-0", { outcome: "unsatisfiable" }],
  ["several ranges", "bytes=0-1,5-6", { outcome: "whole" }],
  ["an end before the start", "bytes=9-5", { outcome: "whole" }],
  ["another unit", "lines=0-1", { outcome: "whole" }],
  ["nothing between the signs", "bytes=-", { outcome: "whole" }],
  ["no range", undefined, { outcome: "whole" }],
])("reads %s (RFC 9110 14.2)", (_what, range, expected) => {
  expect(ask(range)).toEqual(expected);
});

test.each([
  ["the very tag", etag, "part"],
  ["another tag", '"sha256:bb"', "whole"],
  ["a weak tag", `W/${etag}`, "whole"],
  ["a date", "Sat, 21 Nov 2026 22:00:00 GMT", "whole"],
])("a range with If-Range of %s gives the %s", (_what, ifRange, outcome) => {
  expect(ask("bytes=0-9", ifRange).outcome).toBe(outcome);
});

test("never leaves the file, whatever is asked", () => {
  fc.assert(
    fc.property(
      fc.oneof(fc.string(), fc.stringMatching(/^bytes=\d{0,16}-\d{0,16}$/)),
      fc.nat(1_000),
      (range, sizeBytes) => {
        const chosen = ask(range, undefined, sizeBytes);
        if (chosen.outcome !== "part") return;
        expect(chosen.start).toBeGreaterThanOrEqual(0);
        expect(chosen.start).toBeLessThanOrEqual(chosen.end);
        expect(chosen.end).toBeLessThan(sizeBytes);
      },
    ),
  );
});

test("If-None-Match compares weakly and knows lists (RFC 9110 13.1.2)", () => {
  expect(matchesNone(`"x", W/${etag}`, etag)).toBe(true);
  expect(matchesNone("*", etag)).toBe(true);
  expect(matchesNone('"x"', etag)).toBe(false);
  expect(matchesNone(undefined, etag)).toBe(false);
});
