import { readFileSync } from "node:fs";
import { configTable } from "@drawbridge/config";
import { expect, test } from "vitest";
import { configSchema } from "./config.ts";

const readme = readFileSync(new URL("../README.md", import.meta.url), "utf8");

/** Rows of a table; the formatter pads the cells. */
function cells(text: string): readonly (readonly string[])[] {
  return text.split("\n").map((line) => line.split("|").map((cell) => cell.trim().replace(/^-+$/, "-")));
}

test("the README has the settings as they are", () => {
  const table = /<!-- config:begin -->\n+(.*?)\n+<!-- config:end -->/s.exec(readme)?.[1];
  expect(cells(table ?? "")).toEqual(cells(configTable(configSchema)));
});

test("a tunnel outlives one late heartbeat", () => {
  const settings = { HEARTBEAT_MS: "30000", DEAD_AFTER_MS: "45000" };
  const { error } = configSchema.safeParse({
    ...settings,
    DATABASE_URL_FILE: new URL(import.meta.url).pathname,
    IDENTITY_DIR: "identity",
    CERT_AUTHORITY_ADDRESS: "127.0.0.1:7560",
  });
  expect(error?.issues.map((issue) => issue.path)).toEqual([["DEAD_AFTER_MS"]]);
});
