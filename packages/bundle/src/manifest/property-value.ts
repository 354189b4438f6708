import { createContext, Script } from "node:vm";
import type { PropertySchema } from "./manifest-schema.ts";

/** A pattern comes from a bundle, so one that never ends must not stop the process that checks it. */
const patternTimeoutMs = 50;
const longestValue = 65_536;
const integerPattern = /^[+-]?\d{1,16}$/;
const numberPattern = /^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d{1,3})?$/;

/** The expression for a whole value, or undefined if `pattern` is none. */
export function compilePattern(pattern: string): RegExp | undefined {
  try {
    return new RegExp(`^(?:${pattern})$`, "u");
  } catch {
    return undefined; // SyntaxError: the caller says where
  }
}

/** What is wrong with a value, in words that say how to fix it; undefined when nothing is. Never repeats the value: it may be a secret. */
export function checkValue(property: Pick<PropertySchema, "type" | "pattern">, value: string): string | undefined {
  if (value.length > longestValue) return `must have at most ${longestValue} characters`;
  if (value.includes("\0")) return "must not hold a NUL character";
  switch (property.type) {
    case "string":
      return property.pattern === undefined ? undefined : checkPattern(property.pattern, value);
    case "integer":
      return integerPattern.test(value) && Number.isSafeInteger(Number(value))
        ? undefined
        : "must be a whole number, for example 42";
    case "number":
      return numberPattern.test(value) && Number.isFinite(Number(value))
        ? undefined
        : "must be a number, for example 1.5";
    case "boolean":
      return value === "true" || value === "false" ? undefined : "must be true or false";
  }
}

function checkPattern(pattern: string, value: string): string | undefined {
  const expression = compilePattern(pattern);
  if (expression === undefined)
    return "cannot be checked: its pattern in the manifest is not a valid regular expression";
  try {
    const matches: unknown = new Script("expression.test(value)").runInContext(createContext({ expression, value }), {
      timeout: patternTimeoutMs,
    });
    return matches === true ? undefined : `must match the pattern ${pattern}`;
  } catch {
    return `cannot be checked: the pattern ${pattern} takes too long; simplify it in the manifest`; // ERR_SCRIPT_EXECUTION_TIMEOUT
  }
}
