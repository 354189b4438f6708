import { readFileSync } from "node:fs";
import { configTable } from "@drawbridge/config";
import { expect, test } from "vitest";
import { configSchema } from "./config.ts";

test("the README has the settings as they are", () => {
  const readme = readFileSync(new URL("../README.md", import.meta.url), "utf8");
  const table = /<!-- config:begin -->\n(.*)\n<!-- config:end -->/s.exec(readme)?.[1];
  // The formatter pads cells and parts the table from what is around it.
  const cells = (text: string) =>
    text
      .trim()
      .split("\n")
      .map((line) => line.split("|").map((cell) => cell.trim().replace(/^-+$/, "-")));
  expect(cells(table ?? "")).toEqual(cells(configTable(configSchema)));
});

test("the admin listener is on loopback or nowhere", () => {
  const parse = (listen: string) => configSchema.safeParse({ STATE_DIR: "/tmp", ADMIN_LISTEN: listen }).success;
  expect(["127.0.0.1:1", "[::1]:1", "localhost:1"].map(parse)).toEqual([true, true, true]);
  expect(["0.0.0.0:1", "10.0.0.1:1", "[::]:1", "127.0.0.1.example:1"].map(parse)).toEqual([false, false, false, false]);
});
