import { DrawbridgeError, isDrawbridgeError } from "@drawbridge/errors";
import { isMap, isNode, isScalar, isSeq, LineCounter, parseDocument, type Document } from "yaml";
import type { z } from "zod";
import { findRuleViolations } from "./manifest-rules.ts";
import { manifestFileName, manifestSchema, type Manifest } from "./manifest-schema.ts";

/** Larger than any honest manifest; bounds the work of parsing one. */
const largestManifestCharacters = 262_144;
/** Aliases that one manifest may expand: more is an attempt to fill the memory. */
const maxAliasCount = 50;
const mostProblems = 50;

export interface ManifestProblem {
  /** From 1; 0 when the manifest was not text. */
  readonly line: number;
  /** From 1. */
  readonly column: number;
  /** For example "ports[0].env"; empty for the whole file. */
  readonly field: string;
  readonly message: string;
}

type Path = readonly (string | number)[];
type Locate = (path: Path, at: "key" | "value", message: string) => ManifestProblem;

/**
 * Read drawbridge.yaml (or the same as JSON).
 * @throws DrawbridgeError `MANIFEST_INVALID` (invalid_argument): the message has one line per problem, `details` has file, line, column
 * and field of the first, and `manifestProblems` gives them all.
 */
export function parseManifest(source: string, fileName: string = manifestFileName): Manifest {
  if (source.length > largestManifestCharacters) {
    throw manifestInvalid(fileName, [
      { line: 1, column: 1, field: "", message: "is larger than 256 KiB; that is no manifest" },
    ]);
  }
  const lines = new LineCounter();
  const document = parseDocument(source, {
    lineCounter: lines,
    uniqueKeys: true,
    prettyErrors: false,
    stringKeys: true,
  });
  const syntax = [...document.errors, ...document.warnings].map((problem): ManifestProblem => {
    const { line, col } = lines.linePos(problem.pos[0]);
    return { line, column: col, field: "", message: `is not valid YAML: ${problem.message}` };
  });
  if (syntax.length > 0) throw manifestInvalid(fileName, syntax);
  const locate: Locate = (path, at, message) => ({
    ...positionOf(document, lines, path, at),
    field: fieldName(path),
    message,
  });

  const result = manifestSchema.safeParse(toPlain(document, fileName));
  if (!result.success) {
    throw manifestInvalid(
      fileName,
      result.error.issues.flatMap((issue) => problemsOf(issue, locate)),
    );
  }
  const violations = findRuleViolations(result.data);
  if (violations.length > 0) {
    throw manifestInvalid(
      fileName,
      violations.map(({ path, message }) => locate(path, "value", message)),
    );
  }
  return result.data;
}

/** Every problem of a MANIFEST_INVALID error, also of one that came over the wire. */
export function manifestProblems(error: unknown): readonly ManifestProblem[] {
  if (!isDrawbridgeError(error, "MANIFEST_INVALID")) return [];
  // The text was written by `manifestInvalid` below.
  return JSON.parse(error.details["problems"] ?? "[]") as readonly ManifestProblem[];
}

function toPlain(document: Document.Parsed, fileName: string): unknown {
  try {
    return document.toJS({ maxAliasCount }) as unknown;
  } catch {
    const message = "expands too many aliases; write the values out";
    throw manifestInvalid(fileName, [{ line: 1, column: 1, field: "", message }]); // ReferenceError of the yaml package
  }
}

function problemsOf(issue: z.core.$ZodIssue, locate: Locate): readonly ManifestProblem[] {
  const path = issue.path.map((part) => (typeof part === "number" ? part : String(part)));
  if (issue.code === "unrecognized_keys") {
    const message = "is not a known field; remove it or correct its spelling";
    return issue.keys.map((key) => locate([...path, key], "key", message));
  }
  // A bad key of a map is reported with the rule that it broke one level down.
  if (issue.code === "invalid_key")
    return [locate(path, "key", `the name ${issue.issues[0]?.message ?? "is not allowed"}`)];
  return [locate(path, "value", issue.message)];
}

/** Position of the value at `path` (or of its key), of the nearest parent where there is none. */
function positionOf(
  document: Document.Parsed,
  lines: LineCounter,
  path: Path,
  at: "key" | "value",
): { line: number; column: number } {
  let node: unknown = document.contents;
  let offset = rangeStart(node) ?? 0;
  for (const [index, part] of path.entries()) {
    if (isMap(node)) {
      const pair = node.items.find((item) => isScalar(item.key) && String(item.key.value) === String(part));
      if (pair === undefined) break;
      const wantsKey = at === "key" && index === path.length - 1;
      offset = (wantsKey ? undefined : rangeStart(pair.value)) ?? rangeStart(pair.key) ?? offset;
      node = pair.value;
    } else if (isSeq(node)) {
      node = node.items[Number(part)];
      offset = rangeStart(node) ?? offset;
    } else break;
  }
  const { line, col } = lines.linePos(offset);
  return { line: Math.max(1, line), column: Math.max(1, col) };
}

function rangeStart(node: unknown): number | undefined {
  return isNode(node) ? node.range?.[0] : undefined;
}

function fieldName(path: Path): string {
  return path.map((part, index) => (typeof part === "number" ? `[${part}]` : index === 0 ? part : `.${part}`)).join("");
}

function manifestInvalid(fileName: string, all: readonly ManifestProblem[]): DrawbridgeError {
  const problems = all.slice(0, mostProblems);
  const first = problems[0] ?? { line: 1, column: 1, field: "", message: "is not valid" };
  const text = problems.map(
    ({ line, column, field, message }) =>
      `  ${fileName}:${line}:${column} ${field === "" ? "the manifest" : field} ${message}`,
  );
  const count = all.length === 1 ? "1 problem" : `${all.length} problems`;
  return new DrawbridgeError({
    kind: "invalid_argument",
    code: "MANIFEST_INVALID",
    message: `${fileName} has ${count}:\n${text.join("\n")}`,
    details: {
      file: fileName,
      line: String(first.line),
      column: String(first.column),
      field: first.field,
      problems: JSON.stringify(problems),
    },
  });
}
