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

A policy with conditions acts where one of them matches, one without on everything that is tracked; \`drawbridge api preview\` shows where that is,
of the resources in the API's OpenAPI document, else in manifests, else of [observed routes](gatekeeper.md#observed-routes).
A condition is of the whole path below the base path: \`/orders\` is not \`/orders/1\`. A template matches without regard to case and to a slash at its end, and \`GET\` holds for \`HEAD\` too, as many servers have it. A regular
expression is taken as it is: \`(?i)/orders/?\`. Escapes of characters that need none (\`%28\`) count as those characters.
`;

const limits = `## Limits of several gateways

Rate limiting, SLA-based rate limiting, spike control and quota hold exactly for all threads of one gateway. The gateways of a fabric tell each other every 50 ms what they counted:

- **Connected**, all together let at most \`rate x interval x (gateways - 1)\` requests more pass than a limit says, \`rate\` being what one gateway lets pass: a gateway
  knows everything of the others but their last interval. 200 per second each, two gateways: 10 too many, whatever the limit. The interval is 50 ms and what the way to the other process takes; \`peer_lag_ms\` of
  the metrics is the longest that was seen in the last two minutes. With more than 262,144 \`DRAWBRIDGE_COUNTER_ENTRIES\` it is 50 ms for each 262,144 of them.
- **A gateway that is gone** leaves what it had counted: that stays until the window ends. What it counted in its last interval and told nobody is forgotten.
- **Gateways that cannot reach each other** each count alone from there on: at worst the limit times their number. When they meet again, what each counted counts for all, and nothing twice.
- **Restarts**: a gateway keeps its counters in a file (written every 30 s and at the end) and, before it takes requests, hears from the others what it had counted itself. Of a quota of a month nothing is lost while one gateway lives
  that heard of it; if all are killed at once, what was counted since the last write, 30 s at most.
- **Windows** are numbered by the wall clock, so on one machine they begin together. Of machines whose clocks differ each counts in the window of its own clock: around the end of a window, for as long as the clocks differ, each counts alone.
- **Spike control** looks at the counts of this window and the last one, both of all gateways; a window that is not much longer than the interval (100 ms is the shortest) is mostly each gateway's own.
- **Room**: a gateway keeps the counters of all of them. Where there is no room for another's count it is left out (\`peer_counts_left_out\`) rather than one of its own forgotten: limits are looser, never tighter.

Queues of spike control, circuits and budgets of retries are each thread's own.
`;

/** docs/policies.md. */
export function policyDocs(): string {
  return [intro, ...[...policyCatalogue.values()].map(section), limits].join("\n");
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
