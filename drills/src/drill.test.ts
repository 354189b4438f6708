import { expect, test } from "vitest";
import { formatReport, isHeld, reportLine } from "./drill.ts";

const report = {
  figures: { "requests answered": { value: 12_345, unit: "requests" } },
  invariants: { "no request fails": [], "nothing is lost": ["app b is gone"] },
};

test("a drill is broken as soon as one invariant has a finding", () => {
  expect(isHeld(report)).toBe(false);
  expect(isHeld({ ...report, invariants: { "no request fails": [] } })).toBe(true);
});

test("the table names what was found", () => {
  expect(formatReport(report)).toBe(
    [
      "requests answered  12,345 requests",
      "no request fails   held",
      "nothing is lost    BROKEN, 1 findings",
      "  app b is gone",
    ].join("\n"),
  );
});

test("the last line is JSON with every figure and every invariant", () => {
  expect(JSON.parse(reportLine("kill-anything", report))).toMatchObject({
    drill: "kill-anything",
    figures: { "requests answered": { value: 12_345, unit: "requests" } },
    invariants: { "no request fails": true, "nothing is lost": false },
  });
});
