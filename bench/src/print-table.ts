type Row = Readonly<Record<string, string | number>>;

/** Rows as an aligned table: text to the left, numbers to the right. */
export function formatRows(rows: readonly Row[]): string {
  const [first] = rows;
  if (!first) return "(nothing measured)";
  const titles = Object.keys(first);
  const text = (value: string | number | undefined): string =>
    typeof value === "number" ? value.toLocaleString("en", { maximumFractionDigits: 2 }) : (value ?? "");
  const widths = titles.map((title) => Math.max(title.length, ...rows.map((row) => text(row[title]).length)));
  const line = (row: Row): string =>
    titles
      .map((title, index) => {
        const value = row[title];
        return typeof value === "number"
          ? text(value).padStart(widths[index] ?? 0)
          : text(value).padEnd(widths[index] ?? 0);
      })
      .join("  ")
      .trimEnd();
  return [
    titles
      .map((title, index) => title.padEnd(widths[index] ?? 0))
      .join("  ")
      .trimEnd(),
    ...rows.map(line),
  ].join("\n");
}
