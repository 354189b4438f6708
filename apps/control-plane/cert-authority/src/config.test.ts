import { readFileSync } from "node:fs";
import { configTable } from "@drawbridge/config";
import { expect, test } from "vitest";
import { bootstrapConfigSchema, configSchema } from "./config.ts";

const readme = readFileSync(new URL("../README.md", import.meta.url), "utf8");

/** Rows of the table between two marks; the formatter pads the cells. */
function cells(text: string): readonly (readonly string[])[] {
  return text.split("\n").map((line) => line.split("|").map((cell) => cell.trim().replace(/^-+$/, "-")));
}

test.each([
  ["config", configSchema],
  ["bootstrap-config", bootstrapConfigSchema],
] as const)("the README has the settings as they are: %s", (mark, schema) => {
  const table = new RegExp(`<!-- ${mark}:begin -->\\n+(.*?)\\n+<!-- ${mark}:end -->`, "s").exec(readme)?.[1];
  expect(cells(table ?? "")).toEqual(cells(configTable(schema)));
});
