import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { errorKinds } from "../src/index.ts";
import { codesIn, scanErrorCodes } from "./scan-error-codes.ts";

const root = join(import.meta.dirname, "../../..");
const raised = scanErrorCodes(root);
const rows = readRows(readFileSync(join(root, "docs/errors.md"), "utf8"));
const documented = new Map(rows.map((row) => [row.code, row]));

interface Row {
  readonly code: string;
  readonly kinds: readonly string[];
  readonly texts: readonly string[];
  readonly by: readonly string[];
}

/** The rows of five columns whose first one is a code. */
function readRows(markdown: string): readonly Row[] {
  return markdown.split("\n").flatMap((line) => {
    const cells = line.split(/(?<!\\)\|/).map((cell) => cell.trim());
    const [, code = "", kinds = "", meaning = "", remedy = "", by = ""] = cells;
    if (cells.length !== 7 || !/^[A-Z][A-Z0-9_]+$/.test(code)) return [];
    // "(413)" behind a kind is the HTTP status where it is not the kind's own.
    const kindNames = kinds.split(/[,;]\s*/).map((kind) => kind.replace(/ \(\d{3}\)$/, ""));
    return [{ code, kinds: kindNames, texts: [meaning, remedy], by: by.split(", ") }];
  });
}

test.each([
  ['new DrawbridgeError({ kind: "not_found", code: "APP_NOT_FOUND", message })', ["APP_NOT_FOUND"]],
  ['code: isThere ? "MANIFEST_EXISTS" : "FILE_UNWRITABLE",', ["MANIFEST_EXISTS", "FILE_UNWRITABLE"]],
  ['readonly code: "APP_UNAVAILABLE" | "APP_CONNECTION_LOST";', ["APP_UNAVAILABLE", "APP_CONNECTION_LOST"]],
  ['throw refused(\n  "CSR_NAMES_REFUSED",\n  "no names",\n);', ["CSR_NAMES_REFUSED"]],
  ['session.kick(a === b ? "EPOCH_SUPERSEDED" : "AGENT_SUPERSEDED");', ["EPOCH_SUPERSEDED", "AGENT_SUPERSEDED"]],
  ['assertName(name, "APP_NAME_INVALID");', ["APP_NAME_INVALID"]],
  ['{ kind: "internal", code: "INTERNAL", message }', ["INTERNAL"]],
  ['if (isDrawbridgeError(error, "APP_NOT_FOUND")) return;', []],
  ['code: code === "EEXIST" ? undefined : code,', []],
  ['// throw refused("CSR_NAMES_REFUSED", "")', []],
])("finds the codes that %j raises", (source, codes) => {
  expect([...new Set(codesIn(source).map(({ code }) => code))]).toEqual(codes);
});

test("every code that is raised has a row in docs/errors.md", () => {
  expect([...raised.keys()].filter((code) => !documented.has(code)).toSorted()).toEqual([]);
});

test("every code in docs/errors.md is raised somewhere", () => {
  expect([...documented.keys()].filter((code) => !raised.has(code))).toEqual([]);
});

test("docs/errors.md names who raises a code, and no kind is missing that stands beside it in the sources", () => {
  const wrong = rows.flatMap(({ code, kinds, by }) => {
    const found = raised.get(code);
    if (found === undefined) return [];
    const owners = [...found.by].toSorted().join(", ");
    const kindsMissing = kinds.includes("any") ? [] : [...found.kinds].filter((kind) => !kinds.includes(kind));
    const problems = [
      ...(owners === by.join(", ") ? [] : [`is raised by ${owners}`]),
      ...kindsMissing.map((kind) => `is ${kind} too`),
    ];
    return problems.map((problem) => `${code} ${problem}`);
  });
  expect(wrong).toEqual([]);
});

test("docs/errors.md is sorted, has each code once, known kinds, and words in every cell", () => {
  const codes = rows.map(({ code }) => code);
  expect(codes).toEqual([...new Set(codes)].toSorted((a, b) => (a < b ? -1 : 1)));
  const known = new Set<string>([...errorKinds, "kick", "any"]);
  expect(
    rows.flatMap(({ code, kinds }) => kinds.filter((kind) => !known.has(kind)).map((kind) => code + kind)),
  ).toEqual([]);
  expect(rows.filter(({ texts }) => texts.includes("")).map(({ code }) => code)).toEqual([]);
});
