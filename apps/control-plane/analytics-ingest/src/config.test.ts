import { readFileSync } from "node:fs";
import { configTable } from "@drawbridge/config";
import { expect, test } from "vitest";
import { configSchema } from "./config.ts";

test("the README has the settings as they are", () => {
  const readme = readFileSync(new URL("../README.md", import.meta.url), "utf8");
  const table = /<!-- config:begin -->\n(.*)\n<!-- config:end -->/s.exec(readme)?.[1];
  // The formatter pads the cells.
  // The formatter pads cells and parts the table from what is around it.
  const cells = (text: string) =>
    text
      .trim()
      .split("\n")
      .map((line) => line.split("|").map((cell) => cell.trim().replace(/^-+$/, "-")));
  expect(cells(table ?? "")).toEqual(cells(configTable(configSchema)));
});
