import { readdir, readFile } from "node:fs/promises";
import { basename, join } from "node:path";
import type { ColumnarMigration } from "./plan-migrations.ts";

/** The migrations of a service: `NNNN_name.sql` files, whose statements end with `;` at the end of a line. */
export async function readColumnarMigrations(directory: string): Promise<readonly ColumnarMigration[]> {
  const names = (await readdir(directory)).filter((name) => name.endsWith(".sql")).toSorted();
  return Promise.all(
    names.map(async (name) => ({
      name: basename(name, ".sql"),
      statements: splitStatements(await readFile(join(directory, name), "utf8")),
    })),
  );
}

/** Statements without their semicolons, comment lines and blank lines. */
export function splitStatements(text: string): readonly string[] {
  const code = text
    .split("\n")
    .filter((line) => !/^\s*(--|$)/.test(line))
    .join("\n");
  return code
    .split(/;[^\S\n]*(?:--[^\n]*)?(?:\n|$)/)
    .map((statement) => statement.trim())
    .filter((statement) => statement !== "");
}
