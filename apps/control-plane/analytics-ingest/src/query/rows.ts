import type { Row } from "@drawbridge/columnar";

/** A text of a row. The statements are our own: a column of another type is a mistake in them. */
export function textOf(row: Row, column: string): string {
  const value = row[column];
  if (typeof value !== "string") throw new TypeError(`${column} is no text`);
  return value;
}

/** A number; none (NaN) where the engine has none. */
export function numberOf(row: Row, column: string): number {
  const value = row[column];
  if (value === null) return Number.NaN;
  if (typeof value !== "number" && typeof value !== "bigint") throw new TypeError(`${column} is no number`);
  return Number(value);
}

export function wholeOf(row: Row, column: string): bigint {
  const value = row[column];
  if (typeof value === "bigint") return value;
  return BigInt(numberOf(row, column));
}
