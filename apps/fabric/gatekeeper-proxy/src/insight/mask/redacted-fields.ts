import type { CaptureStep, RedactRule } from "@drawbridge/policies/capture-path";
import { plainName } from "@drawbridge/policies";

/** Names of more parts are redacted as soon as there is a rule for their place. */
const mostParts = 64;

/** What of headers, queries and forms is withheld; names as plain as `plainName` makes them, and rather too many. */
export interface RedactedFields {
  /** By a bare name: as the whole name, or as one of its parts ("email" of "user[email]", "user.email"). */
  anywhere(name: string): boolean;
  /** By a path: what it names and what is below ("$.user" of "user[email]"). */
  at(place: "header" | "query" | "body", name: string): boolean;
}

type PlainStep =
  | { readonly step: "name"; readonly name: string }
  /** None or one part: a form may write an index or leave it out. */
  | { readonly step: "any" };

export function createRedactedFields(rules: readonly RedactRule[]): RedactedFields {
  const bare = new Set(rules.flatMap((rule) => (rule.place === "anywhere" ? [rule.name] : [])));
  const paths = { header: pathsOf(rules, "header"), query: pathsOf(rules, "query"), body: pathsOf(rules, "body") };
  return {
    anywhere: (name) => {
      if (bare.size === 0) return false;
      const parts = partsOf(name);
      return bare.has(plainName(name)) || bare.has(parts.join("")) || parts.some((part) => bare.has(part));
    },
    at: (place, name) => {
      const parts = partsOf(name);
      if (parts.length > mostParts) return paths[place].length > 0;
      return paths[place].some((steps) => covers(steps, parts));
    },
  };
}

/** "user[address].e-mail": user, address, email. */
function partsOf(name: string): readonly string[] {
  return name
    .normalize("NFKC")
    .split(/[[\].]+/)
    .map(plainName)
    .filter((part) => part !== "");
}

function pathsOf(rules: readonly RedactRule[], place: "header" | "query" | "body"): readonly (readonly PlainStep[])[] {
  return rules.flatMap((rule) => {
    if (rule.place === "anywhere" || rule.place !== place) return [];
    return [rule.place === "body" ? rule.steps.map(plainStep) : [nameStep(rule.name)]];
  });
}

function plainStep(step: CaptureStep): PlainStep {
  return step.step === "name" ? nameStep(step.name) : { step: "any" };
}

function nameStep(name: string): PlainStep {
  return { step: "name", name: partsOf(name).join("") };
}

/** Whether the steps lead to a field of these parts, or to something above it. */
function covers(steps: readonly PlainStep[], parts: readonly string[]): boolean {
  const whole = parts.join("");
  const startsOf = [0];
  for (const part of parts) startsOf.push((startsOf.at(-1) ?? 0) + part.length);
  /** How many parts are passed. */
  let reached = new Set([0]);
  for (const step of steps) {
    const next = new Set<number>();
    for (const at of reached) {
      if (isIndex(parts[at])) reached.add(at + 1); // the loop comes to it as well
      if (step.step === "any") {
        next.add(at);
        if (at < parts.length) next.add(at + 1);
      } else if (step.name !== "" && whole.startsWith(step.name, startsOf[at])) {
        const end = startsOf.indexOf((startsOf[at] ?? 0) + step.name.length);
        if (end !== -1) next.add(end);
      }
    }
    reached = next;
  }
  return reached.size > 0;
}

function isIndex(part: string | undefined): boolean {
  return part !== undefined && /^\d+$/.test(part);
}
