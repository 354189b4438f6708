import type { ResourceCondition } from "@drawbridge/contracts/apis/v1/configuration";
import { PolicyConfigurationError } from "../policy-configuration-error.ts";
import type { ApiResource } from "./api-resource.ts";
import { compileCondition, type CompiledCondition } from "./condition.ts";
import { programOf } from "./expression-program.ts";
import { findCommonPath, stepsOf, type TemplateStep } from "./find-common-path.ts";
import { parseUriTemplate, type TemplatePart } from "./uri-template.ts";

export interface ResourceMatch {
  readonly resource: ApiResource;
  /** "some": there are paths of the resource that the condition does not match. */
  readonly extent: "all" | "some";
  /** A path that matches. */
  readonly example: string;
  /** With extent "some", a path of the resource that does not match. */
  readonly counterexample: string | undefined;
}

export type ConditionPreview =
  | {
      readonly condition: ResourceCondition;
      readonly outcome: "compiled";
      readonly matches: readonly ResourceMatch[];
      /** It matches no resource: a policy with this condition alone would never act. */
      readonly matchesNothing: boolean;
    }
  | {
      readonly condition: ResourceCondition;
      readonly outcome: "invalid";
      readonly field: string;
      readonly message: string;
    };

export interface MatchingPreview {
  readonly conditions: readonly ConditionPreview[];
  /** Resources that no condition matches: the policy never acts on them. */
  readonly neverMatched: readonly ApiResource[];
  /** Resources that cannot be read: no path, no method. */
  readonly unreadable: readonly ApiResource[];
}

interface ReadableResource {
  readonly resource: ApiResource;
  readonly template: readonly TemplatePart[];
  readonly steps: readonly TemplateStep[];
}

/** Values that variables have in practice; what an expression makes of them tells "all" from "some". */
const probes = [
  "1",
  "42",
  "a",
  "Z",
  "0f8fad5b-d9cb-469f-a165-70867728950e",
  "2026-11-22",
  "a.b",
  "a_b~c",
  " x",
  "é",
  "x".repeat(64),
];
const probeValues = probes.map((probe) => encodeURIComponent(probe));

/**
 * Which of an API's resources the conditions of a policy match (GK 8). That a condition never matches is exact; "all" rests
 * on examples of what variables stand for.
 */
export function previewMatching(
  conditions: readonly ResourceCondition[],
  resources: readonly ApiResource[],
): MatchingPreview {
  const readable: ReadableResource[] = [];
  const unreadable: ApiResource[] = [];
  for (const resource of resources) {
    const template = readTemplate(resource.path);
    if (template === undefined) unreadable.push(resource);
    else readable.push({ resource, template, steps: stepsOf(template) });
  }
  const previews = conditions.map((condition, index): ConditionPreview => {
    const compiled = tryCompile(condition, index);
    if (compiled instanceof PolicyConfigurationError) {
      return { condition, outcome: "invalid", field: compiled.field, message: compiled.message };
    }
    const program = programOf(compiled.expression);
    const matches = readable.flatMap(({ resource, template, steps }) => {
      if (!compiled.matchesMethod(resource.method)) return [];
      const example = findCommonPath(steps, program);
      return example === undefined
        ? []
        : [describeMatch({ resource, template, example, expression: compiled.expression })];
    });
    return { condition, outcome: "compiled", matches, matchesNothing: matches.length === 0 };
  });
  const matched = new Set(
    previews.flatMap((preview) =>
      preview.outcome === "compiled" ? preview.matches.map(({ resource }) => resource) : [],
    ),
  );
  const neverMatched =
    conditions.length === 0
      ? []
      : readable.map(({ resource }) => resource).filter((resource) => !matched.has(resource));
  return { conditions: previews, neverMatched, unreadable };
}

function tryCompile(condition: ResourceCondition, index: number): CompiledCondition | PolicyConfigurationError {
  try {
    return compileCondition(condition, `conditions[${index}]`);
  } catch (error) {
    if (error instanceof PolicyConfigurationError) return error;
    throw error;
  }
}

function readTemplate(path: string): readonly TemplatePart[] | undefined {
  try {
    return parseUriTemplate(path, "path");
  } catch (error) {
    if (error instanceof PolicyConfigurationError) return undefined;
    throw error;
  }
}

function describeMatch({
  resource,
  template,
  example,
  expression,
}: {
  readonly resource: ApiResource;
  readonly template: readonly TemplatePart[];
  readonly example: string;
  readonly expression: CompiledCondition["expression"];
}): ResourceMatch {
  const counterexample = probeValues
    .map((value) => template.map((part) => ("literal" in part ? part.literal : value)).join(""))
    .find((path) => !expression.testExact(path));
  return { resource, extent: counterexample === undefined ? "all" : "some", example, counterexample };
}
