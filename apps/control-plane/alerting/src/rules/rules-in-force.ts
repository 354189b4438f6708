import { type Rule, ruleKey } from "./rule-file.ts";

/** The operator's file comes first: an applied rule of the same name is not looked at. */
export function rulesInForce(ofFile: readonly Rule[], applied: readonly Rule[]): readonly Rule[] {
  const taken = new Set(ofFile.map(ruleKey));
  return [...ofFile, ...applied.filter((rule) => !taken.has(ruleKey(rule)))];
}
