import { z } from "zod";
import { policyCatalogue } from "./catalogue.ts";
import type { PolicyType } from "./policy-type.ts";

/** What is wrong with one field of a configuration. */
export interface FieldProblem {
  /** Path in the configuration: "limits[0].requests"; empty for the configuration as a whole. */
  readonly field: string;
  readonly message: string;
}

/** A configuration with its defaults filled in, or what is wrong with it. */
export type ParsedConfiguration =
  | { readonly outcome: "valid"; readonly configuration: unknown }
  | { readonly outcome: "invalid"; readonly problems: readonly FieldProblem[] };

export interface ValidationVerdict {
  readonly ok: boolean;
  readonly problems: readonly FieldProblem[];
}

/**
 * Whether `configuration` (parsed JSON) may be saved for a policy of that type.
 * @param now the time of the save; without it what ends with time is not looked at
 */
export function validatePolicy(type: string, configuration: unknown, now?: Date): ValidationVerdict {
  const policyType = policyCatalogue.get(type);
  if (policyType === undefined) return { ok: false, problems: [unknownType(type)] };
  const parsed = parseConfiguration(policyType, configuration);
  if (parsed.outcome === "invalid") return { ok: false, problems: parsed.problems };
  const problems = (now && policyType.problemsOn?.(parsed.configuration, now)) ?? [];
  return { ok: problems.length === 0, problems };
}

export function unknownType(type: string): FieldProblem {
  return { field: "", message: `there is no policy type "${type.slice(0, 64)}"` };
}

export function parseConfiguration(type: PolicyType, configuration: unknown): ParsedConfiguration {
  const parsed = type.schema.safeParse(configuration, { error: explain });
  if (parsed.success) return { outcome: "valid", configuration: parsed.data };
  return { outcome: "invalid", problems: parsed.error.issues.flatMap(problemsOfIssue) };
}

function problemsOfIssue(issue: z.core.$ZodIssue): readonly FieldProblem[] {
  if (issue.code !== "unrecognized_keys") return [{ field: fieldPath(issue.path), message: issue.message }];
  return issue.keys.map((key) => ({
    field: fieldPath([...issue.path, key]),
    message: "is no field of this policy type",
  }));
}

const kindNames: Readonly<Record<string, string>> = {
  string: "text",
  number: "a number",
  int: "a whole number",
  boolean: "true or false",
  array: "a list",
  object: "an object",
};

/** Texts for what JSON Schema says too; none quotes the value, which may be a secret. */
function explain(issue: z.core.$ZodRawIssue): string | undefined {
  if (issue.input === undefined && issue.code !== "custom") return "is missing";
  if (issue.code === "invalid_type") return `must be ${kindNames[issue.expected] ?? issue.expected}`;
  if (issue.code === "invalid_value") {
    return `must be one of ${issue.values.map((value) => JSON.stringify(value)).join(", ")}`;
  }
  if (issue.code === "invalid_union") return "has none of the forms that the schema names";
  if (issue.code === "too_small") return `must ${bound(issue.origin, "at least", String(issue.minimum))}`;
  if (issue.code === "too_big") return `must ${bound(issue.origin, "at most", String(issue.maximum))}`;
  return undefined;
}

function bound(origin: string, direction: string, limit: string): string {
  if (origin === "string") return `have ${direction} ${limit} characters`;
  return origin === "array" ? `have ${direction} ${limit} items` : `be ${direction} ${limit}`;
}

function fieldPath(path: readonly PropertyKey[]): string {
  return path
    .map((part) => (typeof part === "number" ? `[${part}]` : `.${String(part)}`))
    .join("")
    .replace(/^\./, "");
}

/** The JSON Schema (draft 2020-12) of a type's configuration as an operator writes it; undefined for an unknown type. */
export function policyJsonSchema(type: string): Record<string, unknown> | undefined {
  const policyType = policyCatalogue.get(type);
  if (policyType === undefined) return undefined;
  return {
    $id: `urn:drawbridge:policy:${policyType.type}:v1`,
    title: policyType.title,
    description: policyType.description,
    ...z.toJSONSchema(policyType.schema, { io: "input", target: "draft-2020-12" }),
  };
}
