import { InvalidArgumentError } from "commander";
import { dimensionName } from "./analytics-names.ts";

/**
 * Conditions as the API takes them, out of `status=5xx,application!=shop|mobile`, added to those that were given before. A
 * backslash takes a comma, a bar and itself as they are. `status` with numbers is the status code.
 */
export function conditions(text: string, previous: readonly string[] | undefined): readonly string[] {
  return [...(previous ?? []), ...splitAtCommas(text).map(condition)];
}

function splitAtCommas(text: string): readonly string[] {
  const pieces = [""];
  for (const [part] of text.matchAll(/\\[^]|[^]/gu)) {
    if (part === ",") pieces.push("");
    else pieces.push(`${pieces.pop() ?? ""}${part === "\\," ? "," : part}`);
  }
  return pieces.map((piece) => piece.trim()).filter((piece) => piece !== "");
}

function condition(text: string): string {
  const [, word, operator, values = ""] = /^([a-z-]+)\s*(!?=)([^]*)$/.exec(text) ?? [];
  if (word === undefined || operator === undefined)
    throw new InvalidArgumentError(
      `"${text}" is no condition: give dimension=value or dimension!=value, with | between values.`,
    );
  const isCode = word === "status" && /^\d+(\|\d+)*$/.test(values);
  return `${dimensionName(isCode ? "status-code" : word)}${operator}${values}`;
}
