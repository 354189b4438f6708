import { plainText } from "./plain-text.ts";
import { wrapText } from "./wrap.ts";

/** One column of a table. */
export interface Column<Row> {
  readonly title: string;
  readonly value: (row: Row) => string;
  readonly align?: "left" | "right";
}

const gap = "  ";
const narrowest = 8;
const narrowestValue = 30;

/**
 * Rows as text that fits `width` columns of a terminal: the widest left-aligned columns are cut with "…" until it does.
 * Without `width` (a pipe) nothing is cut. What cannot be seen in a cell is escaped.
 */
export function formatTable<Row>(columns: readonly Column<Row>[], rows: readonly Row[], width?: number): string {
  const cells = rows.map((row) => columns.map((column) => plainText(column.value(row))));
  const titles = columns.map(({ title }) => plainText(title));
  const widths = titles.map((title, index) => Math.max(title.length, ...cells.map((row) => (row[index] ?? "").length)));
  if (width !== undefined) shrink(widths, columns, width);
  const line = (values: readonly string[]): string =>
    columns
      .map((column, index) => fit(values[index] ?? "", widths[index] ?? 0, column.align ?? "left"))
      .join(gap)
      .trimEnd();
  return [line(titles), ...cells.map(line)].join("\n");
}

function shrink<Row>(widths: number[], columns: readonly Column<Row>[], width: number): void {
  const total = (): number => widths.reduce((sum, each) => sum + each, 0) + gap.length * (widths.length - 1);
  while (total() > width) {
    let widest = -1;
    for (const [index, each] of widths.entries()) {
      if (columns[index]?.align === "right" || each <= narrowest) continue;
      if (widest === -1 || each > (widths[widest] ?? 0)) widest = index;
    }
    if (widest === -1) return;
    widths[widest] = (widths[widest] ?? 0) - 1;
  }
}

function fit(text: string, width: number, align: "left" | "right"): string {
  const cut = text.length > width ? `${text.slice(0, Math.max(0, width - 1))}…` : text;
  return align === "right" ? cut.padStart(width) : cut.padEnd(width);
}

/** A name and its value. */
export type Field = readonly [name: string, value: string];

/** "Name:  value" lines, values aligned; with `width` long values go on in further lines, and none is cut. What cannot be seen is escaped. */
export function formatFields(named: readonly Field[], width?: number): string {
  const fields = named.map(([name, value]) => [plainText(name), plainText(value)] as const);
  const indent = Math.max(...fields.map(([name]) => name.length)) + 1 + gap.length;
  const room = width === undefined ? Number.POSITIVE_INFINITY : Math.max(narrowestValue, width - indent);
  return fields
    .flatMap(([name, value]) =>
      wrapText(value, room).map((line, index) => `${(index === 0 ? `${name}:` : "").padEnd(indent)}${line}`.trimEnd()),
    )
    .join("\n");
}
