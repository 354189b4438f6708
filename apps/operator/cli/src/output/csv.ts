/**
 * Lines of RFC 4180, ended by a line feed as tools on a command line expect it. A text that a spreadsheet would run as a
 * formula has a single quote before it (OWASP, CSV Injection); a number never has.
 */
export function csvText(rows: readonly (readonly (string | number | null)[])[]): string {
  return rows.map((row) => `${row.map(cell).join(",")}\n`).join("");
}

function cell(value: string | number | null): string {
  if (typeof value === "number") return String(value);
  const text = (value ?? "").replace(/^[=+\-@\t\r]/, "'$&");
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}
