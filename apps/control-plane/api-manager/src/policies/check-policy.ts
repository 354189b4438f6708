import type { Policy, ResourceCondition } from "@drawbridge/contracts/apis/v1/configuration";
import {
  compileApi,
  inOrder,
  policyCatalogue,
  policyJsonSchema,
  prepareConfiguration,
  validatePolicy,
} from "@drawbridge/policies";
import { DrawbridgeError } from "@drawbridge/errors";
import type { FieldProblem } from "../domain/field-error.ts";
import type { Schema } from "../domain/secrets.ts";
import { createCheckServices } from "./check-services.ts";

/** @throws DrawbridgeError `POLICY_TYPE_UNKNOWN` (invalid_argument) */
export function schemaOf(type: string): Schema {
  const schema = policyJsonSchema(type);
  if (schema !== undefined) return schema;
  throw new DrawbridgeError({
    kind: "invalid_argument",
    code: "POLICY_TYPE_UNKNOWN",
    message: "there is no policy type of this name; `drawbridge policy types` lists them",
    details: { "field:type": "is not in the catalogue" },
  });
}

export interface PolicyCandidate {
  readonly type: string;
  /** As the operator gave it, secrets in the clear. */
  readonly configuration: unknown;
  readonly conditions: readonly ResourceCondition[];
  readonly assets: ReadonlyMap<string, Uint8Array>;
  /** undefined: what ends with time is not looked at. */
  readonly now: Date | undefined;
}

export interface CheckedPolicy {
  readonly problems: readonly FieldProblem[];
  /** What to store if there are no problems. */
  readonly prepared: unknown;
}

/**
 * What keeps a policy from being enforced: its configuration under the type's schema first, then what only making it shows
 * (a key that cannot be read, an expression that is too large), as a gateway would make it: of what would be stored, whose
 * passwords are hashes.
 */
export async function checkPolicy(candidate: PolicyCandidate): Promise<CheckedPolicy> {
  const { type, conditions, assets, now } = candidate;
  const verdict = validatePolicy(type, candidate.configuration, now);
  if (!verdict.ok) return { problems: verdict.problems.map(inConfiguration), prepared: undefined };
  const configuration = await prepareConfiguration(type, candidate.configuration);
  const policy: Policy = {
    policyId: "",
    type,
    name: "",
    automated: false,
    order: 1,
    configurationJson: JSON.stringify(configuration),
    conditions: [...conditions],
    assets: [...assets.keys()].map((digest) => Buffer.from(digest, "hex")),
  };
  const sources = { document: { ...emptyDocument, policies: [policy] }, contractPages: [], assets };
  const result = await compileApi(sources, { services: createCheckServices() });
  if (result.outcome === "unusable") return { problems: result.problems.map(inConfiguration), prepared: undefined };
  result.api.close();
  return { problems: [], prepared: configuration };
}

const emptyDocument = {
  apiId: "",
  name: "",
  version: "",
  environment: "",
  revision: 0n,
  tiers: [],
  contractPages: [],
  contractCount: 0,
  observeRoutes: undefined,
  analytics: undefined,
  captures: [],
};

/** Fields of the configuration are named below it; conditions and assets stand beside it. */
function inConfiguration({ field, message }: FieldProblem): FieldProblem {
  if (/^(conditions|assets)(\[|\.|$)/.test(field)) return { field, message };
  return { field: ["configuration", field].filter(Boolean).join(field.startsWith("[") ? "" : "."), message };
}

/** A policy among those that a request of the API passes. */
export interface OrderedPolicy {
  readonly name: string;
  readonly type: string;
  readonly automated: boolean;
  readonly order: number;
  readonly configuration: unknown;
  readonly conditions: readonly ResourceCondition[];
}

/** What is wrong between a policy and the others: two of a kind that can only be once. */
export function conflictsOf(candidate: OrderedPolicy, others: readonly OrderedPolicy[]): readonly FieldProblem[] {
  const type = policyCatalogue.get(candidate.type);
  const twin = others.find((other) => other.type === candidate.type && mayMeet(candidate, other));
  if (!type?.isSingle || !twin) return [];
  return [
    { field: "type", message: `the policy "${twin.name}" is of this type already, and a request can pass only one` },
  ];
}

/** Whether one request may pass both, as far as methods tell: paths of expressions are not compared. */
function mayMeet(one: OrderedPolicy, other: OrderedPolicy): boolean {
  if (one.conditions.length === 0 || other.conditions.length === 0) return true;
  const methodsOf = ({ conditions }: OrderedPolicy) => conditions.flatMap(({ methods }) => methods.split("|"));
  const [mine, theirs] = [methodsOf(one), methodsOf(other)];
  return mine.includes("*") || theirs.includes("*") || mine.some((method) => theirs.includes(method));
}

/** What is worth a look in the order of an API's policies: one that needs what no earlier one leaves. */
export function orderWarnings(policies: readonly OrderedPolicy[]): readonly string[] {
  const provided = new Set<string>();
  return inOrder(policies).flatMap((policy) => {
    const type = policyCatalogue.get(policy.type);
    const missing = (type?.needs?.(policy.configuration) ?? []).filter((need) => !provided.has(need));
    for (const provides of type?.provides ?? []) provided.add(provides);
    return missing.map((need) => `the policy "${policy.name}" needs a ${need}, and no policy before it identifies one`);
  });
}
