/** How 64-bit and wider integers are given back: `bigint`, or the decimal digits as a string (what JSON can carry). */
export type WideIntegers = "bigint" | "string";

/** A row by column name. Integers wider than 32 bits as `WideIntegers` says; dates and times as ClickHouse prints them. */
export type Row = Readonly<Record<string, unknown>>;

interface JsonCompact {
  readonly meta: readonly { readonly name: string; readonly type: string }[];
  readonly data: readonly (readonly unknown[])[];
}

const wideInteger = /^U?Int(64|128|256)$/;

/**
 * Rows of a JSONCompact answer in which 64-bit integers are quoted. Floats that are no number are `null`.
 */
export function rowsFromJsonCompact(text: string, wideIntegers: WideIntegers): readonly Row[] {
  // JSONCompact's shape is fixed by ClickHouse, and the answer comes from our own engine.
  const { meta, data } = JSON.parse(text) as JsonCompact;
  const converters = meta.map(({ type }) => (wideIntegers === "bigint" ? bigintConverter(type) : undefined));
  return data.map((values) => {
    const row: Record<string, unknown> = {};
    for (const [index, { name }] of meta.entries()) {
      const convert = converters[index];
      row[name] = convert === undefined ? values[index] : convert(values[index]);
    }
    return row;
  });
}

/** For integers, and integers in Nullable, LowCardinality, SimpleAggregateFunction and Array; other types stay as they are. */
function bigintConverter(type: string): ((value: unknown) => unknown) | undefined {
  if (wideInteger.test(type)) return (value) => (typeof value === "string" ? BigInt(value) : value);
  const wrapped = /^(Nullable|LowCardinality|Array)\((.*)\)$/.exec(type);
  if (wrapped === null) {
    const aggregated = /^SimpleAggregateFunction\([^,]*, (.*)\)$/.exec(type)?.[1];
    return aggregated === undefined ? undefined : bigintConverter(aggregated);
  }
  const [, wrapper = "", inner = ""] = wrapped;
  const convert = bigintConverter(inner);
  if (convert === undefined || wrapper !== "Array") return convert;
  return (value) => (Array.isArray(value) ? value.map(convert) : value);
}
