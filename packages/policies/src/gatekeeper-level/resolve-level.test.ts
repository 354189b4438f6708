import { readFileSync } from "node:fs";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { gatekeeperValues, levelTableMarkdown, runtimeLines } from "./level-table.ts";
import { levelAtRunTime, resolveLevel } from "./resolve-level.ts";

/*
 * Written out a second time, cell by cell, from GK 5-7: the answer for each version and value. "-": not valid.
 * Order: not written, strict, flexible, disabled, true, false.
 */
const values = [undefined, "strict", "flexible", "disabled", "true", "false"] as const;
const cells: readonly (readonly [version: string | undefined, ...string[]])[] = [
  ["3.7.3", "disabled", "-", "-", "-", "-", "-"],
  ["3.8.0", "strict", "strict", "-", "-", "strict", "disabled"],
  ["3.8.4", "strict", "strict", "-", "-", "strict", "disabled"],
  ["3.8.5", "strict", "strict", "-", "-", "strict", "disabled"],
  ["3.8.6", "flexible", "strict", "flexible", "-", "strict", "disabled"],
  ["3.8.7", "flexible", "strict", "flexible", "-", "strict", "disabled"],
  ["3.9.0", "strict", "strict", "flexible", "-", "strict", "disabled"],
  ["3.9.1", "flexible", "strict", "flexible", "-", "strict", "disabled"],
  ["3.9.5", "flexible", "strict", "flexible", "-", "strict", "disabled"],
  ["3.10.0", "flexible", "strict", "flexible", "-", "strict", "disabled"],
  ["4.0.0", "strict", "strict", "-", "disabled", "-", "-"],
  ["4.0.1", "strict", "strict", "-", "disabled", "-", "-"],
  ["4.1.0", "flexible", "strict", "flexible", "disabled", "-", "-"],
  ["4.1", "flexible", "strict", "flexible", "disabled", "-", "-"],
  ["4.9.0", "flexible", "strict", "flexible", "disabled", "-", "-"],
  ["4.10.2-SNAPSHOT", "flexible", "strict", "flexible", "disabled", "-", "-"],
  ["5.0.0", "flexible", "strict", "flexible", "disabled", "-", "-"],
  [undefined, "flexible", "strict", "flexible", "disabled", "-", "-"],
];
const cases = cells.flatMap(([version, ...levels]) =>
  values.map((value, index) => ({ version, value, level: levels[index] ?? "?" })),
);

describe("the level of a gate by runtime version and value (GK 5-7)", () => {
  test.for(cases)("runtime $version with $value: $level", ({ version, value, level }) => {
    const resolved = resolveLevel(version, value, "app");
    if (level === "-") expect(resolved).toHaveProperty("error");
    else expect(resolved).toMatchObject({ level });
  });

  test.for(cases.filter(({ level }) => level === "-"))(
    "at run time a value that is not valid is strict, and says so: runtime $version with $value (GK 6)",
    ({ version, value }) => {
      const resolved = levelAtRunTime(version, value, "environment");
      expect(resolved).toMatchObject({ level: "strict", source: "environment" });
      expect(resolved.error).toContain(JSON.stringify(value));
    },
  );
});

test("a value tells where it was written, a default which version it comes from (GK 7)", () => {
  expect(resolveLevel("4.4.0", "strict", "fabric")).toMatchObject({ source: "fabric" });
  expect(resolveLevel("4.4.0", undefined, "fabric")).toMatchObject({ source: "runtime version 4.4.0" });
  expect(resolveLevel(undefined, "", "fabric")).toMatchObject({ source: "runtime version 4.1.0" });
});

test("an error names the value and those that are valid (GK 6)", () => {
  expect(resolveLevel("4.0.0", "flexible", "app")).toEqual({
    error: 'the gatekeeper level "flexible" is not valid for runtime 4.0.0: valid are strict, disabled',
  });
});

test("old spellings and levels that let requests through are warned of (GK 5)", () => {
  expect(resolveLevel("3.9.1", "true", "app")).toMatchObject({ warnings: [expect.stringContaining("strict")] });
  expect(resolveLevel("4.2.0", "disabled", "app")).toMatchObject({ warnings: [expect.stringContaining("before")] });
  expect(resolveLevel("4.2.0", "strict", "app")).toMatchObject({ warnings: [] });
});

test("whatever is written, a level that lets requests through was asked for by name, or there is no gatekeeper (GK 6)", () => {
  const someVersion = fc.oneof(fc.string(), fc.constantFrom("3.7.0", "3.8.5", "3.9.1", "4.0.0", "4.1.0", "9", "4.x"));
  const someValue = fc.option(fc.oneof(fc.string(), fc.constantFrom(...gatekeeperValues)), { nil: undefined });
  fc.assert(
    fc.property(someVersion, someValue, (version, value) => {
      const { level, warnings } = levelAtRunTime(version, value, "app");
      if (level !== "disabled") return;
      expect(["disabled", "false"].includes(value ?? "") || warnings.join().includes("no gatekeeper")).toBe(true);
    }),
    { numRuns: 2_000 },
  );
});

test("the lines of versions are in order, so that each version is in one", () => {
  const keys = runtimeLines.map(({ from: [major, minor, patch] }) => major * 1e6 + minor * 1e3 + patch);
  expect(keys).toEqual(keys.toSorted((a, b) => a - b));
});

test("docs/gatekeeper.md has the table as it is (GK 5-7)", () => {
  const docs = readFileSync(new URL("../../../../docs/gatekeeper.md", import.meta.url), "utf8");
  const table = /<!-- levels:begin -->\n(.*)\n<!-- levels:end -->/s.exec(docs)?.[1] ?? "";
  const cellsOf = (text: string) =>
    text
      .trim()
      .split("\n")
      .map((line) => line.split("|").map((cell) => cell.trim().replace(/^-+$/, "---")));
  expect(cellsOf(table)).toEqual(cellsOf(levelTableMarkdown()));
});
