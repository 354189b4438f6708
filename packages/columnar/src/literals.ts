import { DrawbridgeError } from "@drawbridge/errors";

/** What may be bound to a `{name:Type}` of a query. The server parses it as `Type`. */
export type QueryParameter = string | number | bigint | boolean | Date | null | readonly QueryParameter[];
export type QueryParameters = Readonly<Record<string, QueryParameter>>;

/** A string literal. ClickHouse reads backslash escapes in it. */
export function quoteString(text: string): string {
  return `'${text.replaceAll("\\", "\\\\").replaceAll("'", "\\'").replaceAll("\0", "\\0")}'`;
}

/** An identifier as it was declared, whatever its characters. */
export function quoteIdentifier(name: string): string {
  return `\`${name.replaceAll("\\", "\\\\").replaceAll("`", "\\`")}\``;
}

/** Names that we write unquoted into DDL and settings. */
export function isPlainName(name: string): boolean {
  return /^[A-Za-z_][A-Za-z0-9_]{0,127}$/.test(name);
}

/**
 * The text from which the server parses a parameter: at the top in its "Escaped" (tab separated) format, inside arrays
 * as literals.
 */
export function parameterText(value: QueryParameter): string {
  if (typeof value === "string") return escapeTabSeparated(value);
  if (value === null) return String.raw`\N`;
  return parameterLiteral(value);
}

function parameterLiteral(value: QueryParameter): string {
  if (value === null) return "NULL";
  if (typeof value === "string") return quoteString(value);
  if (typeof value === "bigint") return String(value);
  if (typeof value === "boolean") return value ? "1" : "0";
  if (typeof value === "number") {
    if (!Number.isFinite(value)) throw invalidParameter("a number that is not finite");
    return String(value);
  }
  if (value instanceof Date) {
    const ms = value.getTime();
    if (Number.isNaN(ms)) throw invalidParameter("an invalid Date");
    return (ms / 1000).toFixed(3);
  }
  return `[${value.map(parameterLiteral).join(",")}]`;
}

function escapeTabSeparated(text: string): string {
  return text
    .replaceAll("\\", "\\\\")
    .replaceAll("\t", String.raw`\t`)
    .replaceAll("\n", String.raw`\n`)
    .replaceAll("\r", String.raw`\r`)
    .replaceAll("\0", String.raw`\0`);
}

export function invalidParameter(what: string): DrawbridgeError {
  return new DrawbridgeError({
    kind: "invalid_argument",
    code: "COLUMNAR_PARAMETER_INVALID",
    message: `a query was given ${what}`,
  });
}
