import type { Filter } from "@drawbridge/contracts/analytics/v1/analytics_service";
import { dimensions, namesOf } from "./analytics-names.ts";

const known: ReadonlyMap<string, Filter["dimension"]> = new Map(Object.entries(dimensions));

/**
 * A condition as it is written: `dimension=value|value` or `dimension!=value`; a backslash takes `|` and `\` as they are. What is
 * wrong with it is said in words.
 */
export function parseFilter(text: string): Filter | string {
  const [, name = "", operator, values = ""] = /^([A-Za-z]+)(!?=)(.*)$/s.exec(text) ?? [];
  if (operator === undefined) return "must be dimension=value or dimension!=value";
  const dimension = known.get(name);
  if (dimension === undefined) return `names "${name}", which is none of ${namesOf(dimensions).join(", ")}`;
  return { dimension, negated: operator === "!=", values: splitValues(values) };
}

function splitValues(text: string): string[] {
  const values = [""];
  for (const [part] of text.matchAll(/\\[|\\]|[^]/gu)) {
    if (part === "|") values.push("");
    else values.push(`${values.pop() ?? ""}${part.length === 2 && part.startsWith("\\") ? part.slice(1) : part}`);
  }
  return values;
}
