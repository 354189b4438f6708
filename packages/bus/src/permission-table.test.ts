import { readFile } from "node:fs/promises";
import { expect, test } from "vitest";
import { permissionTable } from "./permission-table.ts";

/** The formatter pads cells. */
const plain = (text: string): string => text.replaceAll(/-{3,}/g, "---").replaceAll(/ +/g, " ");

test("docs/operations.md has the permissions that the code has", async () => {
  const docs = await readFile(new URL("../../../docs/operations.md", import.meta.url), "utf8");
  expect(plain(docs)).toContain(plain(permissionTable()));
});
