import type { FieldProblem } from "./field-error.ts";

/** What stands in an answer where a secret is, and in a save for "as it was". */
export const secretSet = "(set)";

/** JSON Schema, as far as it says where secrets are: those carry `"secret": true`. */
export type Schema = Readonly<Record<string, unknown>>;

/** The configuration without its secrets. */
export function redact(configuration: unknown, schema: Schema): unknown {
  return mapSecrets(configuration, schema, schema, () => secretSet);
}

export type Restored =
  | { readonly outcome: "restored"; readonly configuration: unknown }
  | { readonly outcome: "invalid"; readonly problems: readonly FieldProblem[] };

/**
 * The configuration with the secrets that it says are set taken from what is stored. An entry of a list is found again by
 * everything in it that is no secret, never by its place: who moves entries must not move secrets.
 */
export function restoreSecrets(configuration: unknown, stored: unknown, schema: Schema): Restored {
  const problems: FieldProblem[] = [];
  const restored = restore(configuration, stored, { schema, root: schema, path: "configuration", problems });
  if (problems.length > 0) return { outcome: "invalid", problems };
  return { outcome: "restored", configuration: restored };
}

interface Place {
  readonly schema: Schema;
  readonly root: Schema;
  readonly path: string;
  readonly problems: FieldProblem[];
}

function restore(value: unknown, stored: unknown, place: Place): unknown {
  const { schema, root, path, problems } = place;
  if (isSecret(schema, root)) {
    if (value !== secretSet) return value;
    if (stored !== undefined) return stored;
    problems.push({ field: path, message: `is "${secretSet}", and there is no earlier value: give the secret itself` });
    return value;
  }
  if (Array.isArray(value)) {
    const items = Array.isArray(stored) ? stored : [];
    return value.map((item, index) => {
      const inner = itemSchema(schema, root);
      const shownOf = (entry: unknown): string => JSON.stringify(mapSecrets(entry, inner, root, () => secretSet));
      const same = items.filter((before) => shownOf(before) === shownOf(item));
      return restore(item, same.length === 1 ? same[0] : undefined, {
        ...place,
        schema: inner,
        path: `${path}[${index}]`,
      });
    });
  }
  if (!isObject(value)) return value;
  const before = isObject(stored) ? stored : {};
  return Object.fromEntries(
    Object.entries(value).map(([name, item]) => [
      name,
      restore(item, Object.hasOwn(before, name) ? before[name] : undefined, {
        ...place,
        schema: propertySchema(schema, root, name),
        path: `${path}.${name}`,
      }),
    ]),
  );
}

function mapSecrets(value: unknown, schema: Schema, root: Schema, change: (secret: unknown) => unknown): unknown {
  if (isSecret(schema, root)) return change(value);
  if (Array.isArray(value)) {
    const inner = itemSchema(schema, root);
    return value.map((item) => mapSecrets(item, inner, root, change));
  }
  if (!isObject(value)) return value;
  return Object.fromEntries(
    Object.entries(value).map(([name, item]) => [
      name,
      mapSecrets(item, propertySchema(schema, root, name), root, change),
    ]),
  );
}

/** All that a schema stands for: itself, what it refers to, and every alternative. Of alternatives one that is secret is enough. */
function alternatives(schema: Schema, root: Schema, depth = 0): readonly Schema[] {
  if (depth > 8) return [];
  const referred = typeof schema["$ref"] === "string" ? resolve(schema["$ref"], root) : undefined;
  const others = ["anyOf", "oneOf", "allOf"].flatMap((word) => (Array.isArray(schema[word]) ? schema[word] : []));
  return [schema, ...[referred, ...others].filter(isObject).flatMap((other) => alternatives(other, root, depth + 1))];
}

function resolve(reference: string, root: Schema): unknown {
  if (!reference.startsWith("#")) return undefined;
  let at: unknown = root;
  for (const part of reference.split("/").slice(1)) {
    if (!isObject(at)) return undefined;
    at = at[part.replaceAll("~1", "/").replaceAll("~0", "~")];
  }
  return at;
}

function isSecret(schema: Schema, root: Schema): boolean {
  return alternatives(schema, root).some((one) => one["secret"] === true);
}

function propertySchema(schema: Schema, root: Schema, name: string): Schema {
  const found = alternatives(schema, root).flatMap((one) => {
    const properties = one["properties"];
    if (isObject(properties) && Object.hasOwn(properties, name))
      return isObject(properties[name]) ? [properties[name]] : [];
    return isObject(one["additionalProperties"]) ? [one["additionalProperties"]] : [];
  });
  return merged(found);
}

function itemSchema(schema: Schema, root: Schema): Schema {
  return merged(alternatives(schema, root).flatMap((one) => (isObject(one["items"]) ? [one["items"]] : [])));
}

function merged(schemas: readonly Schema[]): Schema {
  const [only, ...more] = schemas;
  return more.length === 0 ? (only ?? {}) : { anyOf: schemas };
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
