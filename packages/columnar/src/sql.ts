import { isPlainName, quoteIdentifier } from "./literals.ts";

/**
 * SQL text that was written in the source of a program: nothing from outside can be in it, because the only way to make
 * one is the tag `sql`, and the only thing that it takes are others. Values go into `{name:Type}` parameters.
 */
export class Sql {
  readonly #text: string;

  private constructor(text: string) {
    this.#text = text;
  }

  static of(strings: TemplateStringsArray, fragments: readonly Sql[]): Sql {
    // What the language makes of a template literal is frozen and shared; what somebody built by hand is not.
    if (!Object.isFrozen(strings) || !Object.isFrozen(strings.raw))
      throw new TypeError("sql is a tag for template literals");
    let text = "";
    for (const [index, part] of strings.entries()) {
      if (part.includes(";")) throw new TypeError("sql is one statement: it holds no semicolon");
      text += part;
      if (index < fragments.length) text += sqlText(fragments[index]);
    }
    return new Sql(text);
  }

  static identifier(name: string): Sql {
    return new Sql(quoteIdentifier(name));
  }

  static join(fragments: readonly Sql[], separator: string): Sql {
    return new Sql(fragments.map((fragment) => fragment.#text).join(separator));
  }

  static text(sql: unknown): string {
    if (!(sql instanceof Sql) || !(#text in sql))
      throw new TypeError("not made by the tag sql: values go into parameters");
    return sql.#text;
  }
}

/** `sql` as the engine gets it. @throws TypeError for anything that the tag did not make. */
export function sqlText(sql: unknown): string {
  return Sql.text(sql);
}

/** One statement, or a part of one. Takes only other `Sql`; use `{name:Type}` for values. */
export function sql(strings: TemplateStringsArray, ...fragments: readonly Sql[]): Sql {
  return Sql.of(strings, fragments);
}

/** All of the conditions; `1` when there is none, so that it always fits behind WHERE. */
export function allOf(conditions: readonly Sql[]): Sql {
  if (conditions.length === 0) return sql`1`;
  return Sql.join(
    conditions.map((condition) => sql`(${condition})`),
    " AND ",
  );
}

/** Items with commas between them. */
export function listOf(items: readonly Sql[]): Sql {
  return Sql.join(items, ", ");
}

/**
 * A chooser of identifiers from a closed list: what is asked for at run time (a column to group by) must be one of the
 * names that stand here.
 */
export function identifiers<const N extends string>(names: readonly N[]): (name: N) => Sql {
  const known = new Map<string, Sql>();
  for (const name of names) {
    if (!isPlainName(name)) throw new TypeError(`${name} is no identifier`);
    known.set(name, Sql.identifier(name));
  }
  return (name) => {
    const identifier = known.get(name);
    if (identifier === undefined) throw new TypeError(`not one of ${names.join(", ")}`);
    return identifier;
  };
}
