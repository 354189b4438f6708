import { readFile } from "node:fs/promises";
import { configTable } from "@drawbridge/config";
import { expect, test } from "vitest";
import { configSchema } from "./config.ts";
import { everyRoute } from "../test/support/every-route.ts";

/** Cells of the table between two markers, without the padding that the formatter puts in. */
function cellsOf(text: string): readonly string[] {
  return text
    .split("\n")
    .filter((line) => line.startsWith("|") && !line.startsWith("| -") && !line.startsWith("|-"))
    .map((line) =>
      line
        .split("|")
        .map((cell) => cell.trim())
        .join("|"),
    );
}

async function section(name: string): Promise<string> {
  const text = await readFile(new URL("../README.md", import.meta.url), "utf8");
  const match = new RegExp(`<!-- ${name}:begin -->([\\s\\S]*?)<!-- ${name}:end -->`).exec(text);
  return match?.[1] ?? "";
}

test("the README has every setting with its default and meaning", async () => {
  expect(cellsOf(await section("config"))).toEqual(cellsOf(configTable(configSchema)));
});

test("the README has every route with its action and who may use it", async () => {
  const table = everyRoute().map(({ method, path, action, permission }) => {
    const who = "role" in permission ? `${permission.role}, ${permission.scope}` : permission.scope;
    return `| \`${method} ${path}\` | ${action} | ${who} |`;
  });
  expect(cellsOf(await section("routes")).slice(1)).toEqual(cellsOf(table.join("\n")));
});
