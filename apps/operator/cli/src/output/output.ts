import { plainLines, plainText } from "./plain-text.ts";
import { type Column, type Field, formatFields, formatTable } from "./table.ts";

/** One line, or several; a line feed within one is escaped, as all that cannot be seen is. */
export type Lines = string | readonly string[];

/** Where a command writes; `format` is the user's `-o`. */
export interface Output {
  readonly format: "table" | "json";
  /** Data: a table for people, `json` exactly as the server sent it for scripts. */
  list<Row>(columns: readonly Column<Row>[], rows: readonly Row[], options: { readonly empty: string }): void;
  /** One thing: named fields for people. */
  fields(fields: readonly Field[], json: unknown): void;
  /** One more table for people, below what was shown; nothing in json. */
  table<Row>(columns: readonly Column<Row>[], rows: readonly Row[]): void;
  /** Data for people; nothing in json. */
  text(lines: Lines): void;
  /** A whole file for people: exact in a pipe, escaped on a terminal. Nothing in json. */
  document(text: string): void;
  /** A line for people that is not data: stderr, so that it never gets into a pipe. Nothing in json. */
  note(line: string): void;
  /** What was done: a line for people on stderr, the thing itself for scripts. */
  done(lines: Lines, json: unknown): void;
  /** Progress that replaces itself on a terminal and is a line now and then elsewhere. Nothing in json. */
  progress(line: string): void;
  /** End the progress line. */
  progressDone(): void;
}

export interface Stream {
  write(text: string): unknown;
  readonly isTTY?: boolean;
  readonly columns?: number;
}

export function createOutput(format: "table" | "json", stdout: Stream, stderr: Stream): Output {
  let shown = "";
  const clear = (): void => {
    if (shown !== "" && stderr.isTTY === true) stderr.write(`\r\x1b[2K`);
    shown = "";
  };
  const json = (value: unknown): void => void stdout.write(`${JSON.stringify(value, null, 2)}\n`);
  return {
    format,
    list: (columns, rows, { empty }) => {
      clear();
      if (format === "json") json(rows);
      else if (rows.length === 0) stderr.write(`${plainText(empty)}\n`);
      else stdout.write(`${formatTable(columns, rows, widthOf(stdout))}\n`);
    },
    fields: (fields, value) => {
      clear();
      if (format === "json") json(value);
      else stdout.write(`${formatFields(fields, widthOf(stdout))}\n`);
    },
    table: (columns, rows) => {
      if (format === "table") stdout.write(`\n${formatTable(columns, rows, widthOf(stdout))}\n`);
    },
    text: (lines) => {
      clear();
      if (format === "table") stdout.write(textOf(lines));
    },
    document: (text) => {
      clear();
      if (format === "table") stdout.write(`${stdout.isTTY === true ? plainLines(text) : text}\n`);
    },
    note: (line) => {
      clear();
      if (format === "table") stderr.write(textOf(line));
    },
    done: (lines, value) => {
      clear();
      if (format === "json") json(value);
      else stderr.write(textOf(lines));
    },
    progress: (text) => {
      const line = plainText(text);
      if (format === "json" || line === shown) return;
      if (stderr.isTTY === true) stderr.write(`\r\x1b[2K${line.slice(0, (stderr.columns ?? 80) - 1)}`);
      else stderr.write(`${line}\n`);
      shown = line;
    },
    progressDone: () => {
      if (shown !== "" && stderr.isTTY === true) stderr.write("\n");
      shown = "";
    },
  };
}

function textOf(lines: Lines): string {
  return [lines]
    .flat()
    .map((line) => `${plainText(line)}\n`)
    .join("");
}

/** A pipe has no width: nothing is cut or broken there. */
function widthOf(stream: Stream): number | undefined {
  return stream.isTTY === true ? stream.columns : undefined;
}
