import type { ResourceCondition } from "@drawbridge/contracts/apis/v1/configuration";
import { previewMatching } from "@drawbridge/policies";
import { DrawbridgeError } from "@drawbridge/errors";
import type { Resource } from "../domain/binding.ts";
import { fieldError } from "../domain/field-error.ts";
import type { KnownResources } from "./known-resources.ts";

export interface Preview {
  readonly resources: readonly {
    readonly resource: Resource;
    readonly conditions: readonly {
      readonly condition: number;
      readonly example: string;
      /** Empty if none is known. */
      readonly counterexample: string;
    }[];
  }[];
  /** Indices of conditions that match no resource. */
  readonly idle: readonly number[];
}

/** A resource of every method is tried with each of these, and with those that the conditions name. */
const commonMethods = ["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"];

/**
 * Which resources the conditions match, and which never will (GK 8).
 * @throws DrawbridgeError `POLICY_INVALID` (invalid_argument), with fields: a condition that is none
 */
export function previewConditions(conditions: readonly ResourceCondition[], resources: readonly Resource[]): Preview {
  const methods = new Set([...commonMethods, ...conditions.flatMap((condition) => condition.methods.split("|"))]);
  methods.delete("*");
  const tried = resources.map((resource) =>
    (resource.method === "*" ? [...methods] : [resource.method]).map((method) => ({ method, path: resource.path })),
  );
  const preview = previewMatching(conditions, tried.flat());
  const problems = preview.conditions.filter((condition) => condition.outcome === "invalid");
  if (problems.length > 0) throw fieldError("POLICY_INVALID", problems);
  const matches = preview.conditions.map(
    (condition) =>
      new Map(condition.outcome === "compiled" ? condition.matches.map((match) => [match.resource, match]) : []),
  );
  return {
    resources: resources.map((resource, place) => ({
      resource,
      conditions: matches.flatMap((match, condition) => {
        const found = (tried[place] ?? []).flatMap((one) => match.get(one) ?? []);
        const [first] = found;
        return first ? [{ condition, example: first.example, counterexample: first.counterexample ?? "" }] : [];
      }),
    })),
    idle: matches.flatMap((match, condition) => (match.size === 0 ? [condition] : [])),
  };
}

/** One sentence for each condition that matches nothing of what is known of the API. */
export function idleWarnings(
  conditions: readonly ResourceCondition[],
  { source, resources }: KnownResources,
  owner: string,
): readonly string[] {
  if (resources.length === 0 || conditions.length === 0) return [];
  const what = source === "observed" ? `no route of ${owner} that was observed so far` : `no resource of ${owner}`;
  const effect = source === "observed" ? "on those it never acts" : "as it is, it never acts";
  return previewConditions(conditions, resources).idle.map((index) => {
    const { methods = "", path } = conditions[index] ?? {};
    return `condition ${index + 1} (${methods} ${path?.value ?? ""}) matches ${what}: ${effect}`;
  });
}

/** @throws DrawbridgeError `CONDITIONS_INVALID` (invalid_argument) */
export function assertConditionCount(conditions: readonly unknown[], atMost: number): void {
  if (conditions.length >= 1 && conditions.length <= atMost) return;
  throw new DrawbridgeError({
    kind: "invalid_argument",
    code: "CONDITIONS_INVALID",
    message: `give 1 to ${atMost} conditions to try`,
  });
}
