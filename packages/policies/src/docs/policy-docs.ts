import { policyCatalogue } from "../catalogue.ts";
import type { PolicyType } from "../policy-type.ts";
import { policyJsonSchema } from "../validate-policy.ts";
import { fieldsOf, type FieldSchema, type SchemaField } from "./schema-fields.ts";

const intro = `# Policies

What a policy can be, field by field. This page is written from the schemas in packages/policies by
\`node packages/policies/src/write-policy-docs.ts\`; a test fails when it is stale. \`drawbridge policy types\` shows the same as JSON Schema.

Requests pass policies in this order: CORS, then the automated policies of the environment, then the API's own, each by \`order\`; responses
pass them in reverse. All policies of an API are enforced, or none: one that cannot be makes the API unusable, and the reason is told with
policy and field.

A policy with conditions acts where one of them matches, one without on everything that is tracked; \`drawbridge api preview\` shows where that is.
A condition is of the whole path below the base path: \`/orders\` is not \`/orders/1\`. A template matches without regard to case and to a slash at its end, and \`GET\` holds for \`HEAD\` too, as many servers have it. A regular
expression is taken as it is: \`(?i)/orders/?\`. Escapes of characters that need none (\`%28\`) count as those characters.
`;

/** docs/policies.md. */
export function policyDocs(): string {
  return [intro, ...[...policyCatalogue.values()].map(section)].join("\n");
}

function section(type: PolicyType): string {
  const notes = [
    ...(type.position === "first" ? ["Always first, for the whole API: it takes no order and no conditions."] : []),
    ...(type.isSingle && type.position !== "first" ? ["At most one for a request."] : []),
    ...type.provides.map((what) => `Later policies know the ${nameOf(what)}.`),
  ];
  const fields = fieldsOf(policyJsonSchema(type.type));
  return [
    `## ${type.type}`,
    "",
    [`**${type.title}.** ${type.description}`, ...notes].join(" "),
    "",
    ...fields.map(line),
    ...(fields.length === 0 ? ["It has no fields."] : []),
    "",
  ].join("\n");
}

function nameOf(what: "client" | "principal"): string {
  return what === "client" ? "client application" : "caller's claims";
}

function line({ path, schema, isRequired, form }: SchemaField): string {
  const facts = [
    kindOf(schema),
    ...(isRequired ? ["required"] : []),
    ...(schema.default === undefined ? [] : [`default \`${JSON.stringify(schema.default)}\``]),
    ...(schema.secret ? ["secret"] : []),
    ...(form && schema.const === undefined ? [`with \`${form}\``] : []),
  ];
  // What stands in quotes is meant to the letter: as code, so that no character of it is markup.
  const description = schema.description?.replaceAll(/"([^"]*)"/g, "`$1`");
  return `- \`${path}\` (${facts.filter((fact) => fact !== "").join(", ")})${description === undefined ? "" : `: ${description}`}`;
}

function kindOf(schema: FieldSchema): string {
  if (schema.const !== undefined) return `\`${JSON.stringify(schema.const)}\``;
  if (schema.enum !== undefined) return schema.enum.map((value) => `\`${JSON.stringify(value)}\``).join(" or ");
  if (schema.type === "integer") return `whole number${range(schema.minimum, schema.maximum)}`;
  if (schema.type === "number") return `number${range(schema.minimum, schema.maximum)}`;
  if (schema.type === "string") {
    return `text${schema.maxLength === undefined ? "" : `, at most ${grouped(schema.maxLength)} characters`}`;
  }
  if (schema.type === "array") return `list${range(schema.minItems, schema.maxItems)}`;
  if (schema.type === "boolean") return "true or false";
  if (schema.type === "object") return "object";
  return schema.oneOf || schema.anyOf ? "one of these forms" : "anything";
}

function range(from: number | undefined, to: number | undefined): string {
  const isOpen = to === undefined || to >= Number.MAX_SAFE_INTEGER;
  if (from === undefined && isOpen) return "";
  if (isOpen) return ` of at least ${grouped(from ?? 0)}`;
  return ` of ${grouped(from ?? 0)} to ${grouped(to)}`;
}

function grouped(value: number): string {
  return value.toLocaleString("en-US");
}
