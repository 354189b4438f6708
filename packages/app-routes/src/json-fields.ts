/**
 * Reads typed fields out of JSON that our own processes wrote. A schema library would triple the memory of a shim, of
 * which there is one for each replica.
 */
export interface JsonFields {
  readonly text: (name: string) => string;
  readonly number: (name: string) => number;
  readonly date: (name: string) => Date;
  readonly oneOf: <T extends string>(name: string, values: readonly T[]) => T;
  /** A nested object. */
  readonly fields: (name: string) => JsonFields;
  /** A map from names to text. */
  readonly texts: (name: string) => Readonly<Record<string, string>>;
  /** A map from names to numbers. */
  readonly numbers: (name: string) => Readonly<Record<string, number>>;
  readonly list: <T>(name: string, item: (value: unknown) => T) => readonly T[];
  /** `undefined` where the field is absent or null, otherwise what `read` makes of it. */
  readonly optional: <T>(name: string, read: (name: string) => T) => T | undefined;
}

/** @throws TypeError naming the field where the value is not of the expected shape. */
export function jsonFields(value: unknown): JsonFields {
  if (typeof value !== "object" || value === null || Array.isArray(value)) throw new TypeError("not a JSON object");
  const values = new Map<string, unknown>(Object.entries(value));

  function wrong(name: string): TypeError {
    return new TypeError(`field ${name} is missing or of the wrong type`);
  }
  function text(name: string): string {
    const found = values.get(name);
    if (typeof found !== "string") throw wrong(name);
    return found;
  }
  function mapOf<T>(name: string, isItem: (item: unknown) => item is T): Readonly<Record<string, T>> {
    const entries = Object.entries(jsonObject(values.get(name), name));
    return Object.fromEntries(
      entries.map(([key, item]) => {
        if (!isItem(item)) throw wrong(name);
        return [key, item];
      }),
    );
  }

  return {
    text,
    number: (name) => {
      const found = values.get(name);
      if (typeof found !== "number") throw wrong(name);
      return found;
    },
    date: (name) => {
      const found = new Date(text(name));
      if (Number.isNaN(found.getTime())) throw wrong(name);
      return found;
    },
    oneOf: (name, allowed) => {
      const found = allowed.find((candidate) => candidate === values.get(name));
      if (found === undefined) throw wrong(name);
      return found;
    },
    fields: (name) => jsonFields(values.get(name)),
    texts: (name) => mapOf(name, (item) => typeof item === "string"),
    numbers: (name) => mapOf(name, (item) => typeof item === "number"),
    list: (name, item) => {
      const found = values.get(name);
      if (!Array.isArray(found)) throw wrong(name);
      return found.map((entry: unknown) => item(entry));
    },
    optional: (name, read) => ((values.get(name) ?? null) === null ? undefined : read(name)),
  };
}

export function textItem(value: unknown): string {
  if (typeof value !== "string") throw new TypeError("an item is not text");
  return value;
}

function jsonObject(value: unknown, name: string): object {
  if (typeof value !== "object" || value === null) throw new TypeError(`field ${name} is not an object`);
  return value;
}

/** A map from names to text. */
export function textsFromJson(value: unknown): Readonly<Record<string, string>> {
  return jsonFields({ value }).texts("value");
}
