import { InvalidArgumentError, Option } from "commander";
import type { z } from "zod";
import type { conditionSchema } from "../api/apis-types.ts";

export type Condition = z.output<typeof conditionSchema>;

export const conditionOption = (): Option =>
  new Option(
    "--condition <text>",
    'methods and URI template, "GET|POST /orders/{id}"; several are alternatives',
  ).argParser(collect((methods, path) => ({ methods, uriTemplate: path })));

export const conditionRegexOption = (): Option =>
  new Option(
    "--condition-regex <text>",
    'methods and regular expression (RE2, the whole path), "* /orders/[0-9]+"; several are alternatives',
  ).argParser(collect((methods, path) => ({ methods, regularExpression: path })));

function collect(make: (methods: string, path: string) => Condition) {
  return (text: string, previous: readonly Condition[] | undefined): readonly Condition[] => {
    const { methods, path } = methodsAndPath(text);
    return [...(previous ?? []), make(methods, path)];
  };
}

/** "GET /orders": what is before the first space, and what is after it; a path alone is for every method. */
export function methodsAndPath(text: string): { readonly methods: string; readonly path: string } {
  const trimmed = text.trim();
  if (trimmed.startsWith("/")) return { methods: "*", path: trimmed };
  const space = trimmed.indexOf(" ");
  if (space < 1) throw new InvalidArgumentError('give methods and a path: "GET /orders".');
  return { methods: trimmed.slice(0, space).toUpperCase(), path: trimmed.slice(space + 1).trim() };
}

export function conditionText({ methods, uriTemplate, regularExpression }: Condition): string {
  return `${methods} ${uriTemplate ?? `~ ${regularExpression ?? ""}`}`;
}
