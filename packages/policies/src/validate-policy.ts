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

/** Whether `configuration` (parsed JSON) may be saved for a policy of that type. */
export function validatePolicy(type: string, configuration: unknown): ValidationVerdict {
  const policyType = policyCatalogue.get(type);
  if (policyType === undefined) return { ok: false, problems: [unknownType(type)] };
  const parsed = parseConfiguration(policyType, configuration);
  return parsed.outcome === "valid" ? { ok: true, problems: [] } : { ok: false, problems: parsed.problems };
}

export function unknownType(type: string): FieldProblem {
  return { field: "", message: `there is no policy type "${type.slice(0, 64)}"` };
}

export function parseConfiguration(type: PolicyType, configuration: unknown): ParsedConfiguration {
  const parsed = type.schema.safeParse(configuration, { reportInput: false });
  if (parsed.success) return { outcome: "valid", configuration: parsed.data };
  return {
    outcome: "invalid",
    problems: parsed.error.issues.map((issue) => ({ field: fieldPath(issue.path), message: issue.message })),
  };
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
