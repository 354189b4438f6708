import { RE2JS, RE2JSException } from "re2js";
import type { ResourceCondition } from "@drawbridge/contracts/apis/v1/configuration";
import { PolicyConfigurationError } from "../policy-configuration-error.ts";
import { matchingForm } from "./matching-form.ts";
import { parseUriTemplate, templateExpression } from "./uri-template.ts";

/** A condition ready to be asked. */
export interface CompiledCondition {
  /** `path` is normalised and below the API's base path. */
  readonly matches: (method: string, path: string) => boolean;
  readonly matchesMethod: (method: string) => boolean;
  /** Of the path; matches it as a whole. */
  readonly expression: RE2JS;
}

/** No path is longer: the gateway refuses it (GK; RFC 9110 section 4.1 asks for 8,000). */
export const longestPath = 8_192;
const longestExpression = 1_024;
/** Instructions of the compiled expression: what a match of a long path costs is this times its length at the worst. */
const largestProgram = 500;
const knownMethods = /^[A-Z][A-Z0-9-]{0,31}$/;

/**
 * Compile a condition. A URI template matches without regard to case and to a slash at the end: many servers answer
 * "/Orders/" as they do "/orders", and a policy must not be evaded by spelling. For the same reason a path that is too long
 * to be looked at matches. Escapes of characters that need none count as those characters. A regular expression has the semantics of RE2, which is linear in the path's length, and matches the
 * whole path.
 * @throws PolicyConfigurationError naming the field below `field`
 */
export function compileCondition(condition: ResourceCondition, field: string): CompiledCondition {
  const matchesMethod = compileMethods(condition.methods, `${field}.methods`);
  const expression = compilePath(condition.path, field);
  return {
    matchesMethod,
    expression,
    matches: (method, path) =>
      matchesMethod(method) && (path.length > longestPath || expression.testExact(matchingForm(path))),
  };
}

function compileMethods(methods: string, field: string): (method: string) => boolean {
  if (methods === "*") return () => true;
  const names = methods.split("|");
  const wrong = names.find((name) => !knownMethods.test(name));
  if (wrong !== undefined) {
    throw new PolicyConfigurationError(field, `"${wrong}" is no method; write "*" or, for example, "GET|POST"`);
  }
  const set = new Set(names);
  // Whatever answers GET answers HEAD (RFC 9110, section 9.3.2): a policy for the one holds for the other.
  if (set.has("GET")) set.add("HEAD");
  return (method) => set.has(method);
}

function compilePath(path: ResourceCondition["path"], field: string): RE2JS {
  if (path === undefined) {
    throw new PolicyConfigurationError(field, "names no path; add a URI template or a regular expression");
  }
  if (path.$case === "uriTemplate") {
    const parts = parseUriTemplate(path.value, `${field}.uriTemplate`);
    const expression = templateExpression(parts, (literal) => RE2JS.quote(literal));
    const end = path.value === "/" ? "" : path.value.endsWith("/") ? "?" : "/?";
    return RE2JS.compile(`(?i)${expression}${end}`);
  }
  const expressionField = `${field}.regularExpression`;
  if (path.value === "") throw new PolicyConfigurationError(expressionField, "is empty; /.* matches every path");
  if (path.value.length > longestExpression) {
    throw new PolicyConfigurationError(expressionField, `must have at most ${longestExpression} characters`);
  }
  const expression = compileExpression(path.value, expressionField);
  if (expression.programSize() > largestProgram) {
    throw new PolicyConfigurationError(
      expressionField,
      "is too large; use smaller repetition counts or fewer alternatives",
    );
  }
  return expression;
}

function compileExpression(source: string, field: string): RE2JS {
  try {
    return RE2JS.compile(source);
  } catch (error) {
    if (!(error instanceof RE2JSException)) throw error;
    const reason = error.message.replace(/^error parsing regexp: /, "");
    throw new PolicyConfigurationError(field, `is no regular expression of RE2: ${reason}`, { cause: error });
  }
}

/** Any of them. Problems name `conditions[n]`. */
export function compileConditions(conditions: readonly ResourceCondition[]): readonly CompiledCondition[] {
  return conditions.map((condition, index) => compileCondition(condition, `conditions[${index}]`));
}
