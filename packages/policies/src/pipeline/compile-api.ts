import { hash } from "node:crypto";
import type { ApiDocument, Policy, SlaTier } from "@drawbridge/contracts/apis/v1/configuration";
import { policyCatalogue } from "../catalogue.ts";
import type { Tier } from "../contracts/contract-set.ts";
import { openContracts } from "../contracts/paged-contracts.ts";
import { compileConditions } from "../matching/condition.ts";
import { PolicyConfigurationError } from "../policy-configuration-error.ts";
import type { PolicyServices } from "../policy-services.ts";
import type { PolicyContext } from "../policy-type.ts";
import { parseConfiguration, unknownType } from "../validate-policy.ts";
import { CompiledApi, type CompiledPolicy, type MutableContracts } from "./compiled-api.ts";
import { inOrder } from "./policy-order.ts";
import { answer, refuse, type PolicyIdentity } from "./reply.ts";

/** Everything that an API's enforcement is made of; its parts may lie in shared memory. */
export interface ApiSources {
  readonly document: ApiDocument;
  /** Encoded ContractPages in the document's order. */
  readonly contractPages: readonly Uint8Array[];
  /** By SHA-256 in lower-case hex. */
  readonly assets: ReadonlyMap<string, Uint8Array>;
}

export interface CompileOptions {
  readonly services: PolicyServices;
  /**
   * What is enforced for this API instance now. If nothing but its contracts changed it is given back with the new ones in
   * force, so that caches, queues and circuit breakers live on.
   */
  readonly previous?: CompiledApi;
}

/** Why a policy cannot be enforced. */
export interface PolicyProblem {
  readonly policyId: string;
  readonly policyName: string;
  /** Path in the policy: "limits[0].requests", "conditions[1].regularExpression"; empty for the policy as a whole. */
  readonly field: string;
  /** For the operator; no secrets. */
  readonly message: string;
}

export type CompileResult =
  | { readonly outcome: "usable"; readonly api: CompiledApi }
  | { readonly outcome: "unusable"; readonly problems: readonly PolicyProblem[] };

/** More on one API would be a mistake, and what matches a request is kept in 64 bits. */
const mostPolicies = 64;

/**
 * Make an API's policies ready, all or nothing: one policy that cannot be enforced makes the API unusable, and every such
 * policy is named. Never throws because of what a document holds.
 */
export async function compileApi(sources: ApiSources, { services, previous }: CompileOptions): Promise<CompileResult> {
  const { document } = sources;
  const fingerprint = fingerprintOf(document);
  const contracts = openContracts(sources.contractPages, document.contractCount);
  if (previous?.fingerprint === fingerprint) {
    previous.replaceContracts(contracts, document.revision);
    return { outcome: "usable", api: previous };
  }
  const directory: MutableContracts = { current: contracts };
  const problems: PolicyProblem[] = [];
  const policies: CompiledPolicy[] = [];
  if (document.policies.length > mostPolicies) {
    problems.push({ policyId: "", policyName: "", field: "", message: `more than ${mostPolicies} policies` });
  }
  const tiers = new Map(document.tiers.map((tier) => [tier.tierId, tierFromWire(tier)]));
  for (const [slot, policy] of inOrder(document.policies).entries()) {
    const compiled = await compilePolicy(policy, {
      apiId: document.apiId,
      slot,
      contracts: directory,
      tiers,
      assets: sources.assets,
      services,
    });
    if ("problems" in compiled) problems.push(...compiled.problems);
    else policies.push(compiled.policy);
  }
  if (problems.length > 0) {
    for (const { enforcement } of policies) enforcement.close?.();
    return { outcome: "unusable", problems };
  }
  const api = new CompiledApi({ document, fingerprint, policies, contracts: directory, services });
  return { outcome: "usable", api };
}

interface PolicyPlace extends Pick<PolicyContext, "apiId" | "slot" | "contracts" | "tiers" | "assets"> {
  readonly services: PolicyServices;
}

async function compilePolicy(
  policy: Policy,
  { services, ...place }: PolicyPlace,
): Promise<{ readonly policy: CompiledPolicy } | { readonly problems: readonly PolicyProblem[] }> {
  const identity: PolicyIdentity = { policyId: policy.policyId, policyName: policy.name, policyType: policy.type };
  const problem = (field: string, message: string): PolicyProblem => ({
    policyId: policy.policyId,
    policyName: policy.name,
    field,
    message,
  });
  const type = policyCatalogue.get(policy.type);
  if (type === undefined) return { problems: [problem("", unknownType(policy.type).message)] };
  if (type.position === "first" && policy.conditions.length > 0) {
    return {
      problems: [problem("conditions", "a policy of this type applies to the whole API: remove its conditions")],
    };
  }
  const missing = policy.assets.map((digest) => digest.toString("hex")).filter((digest) => !place.assets.has(digest));
  if (missing.length > 0) return { problems: [problem("assets", `missing: ${missing.join(", ")}`)] };
  try {
    const conditions = compileConditions(policy.conditions);
    const parsed = parseConfiguration(type, parseJson(policy.configurationJson));
    if (parsed.outcome === "invalid") {
      return { problems: parsed.problems.map(({ field, message }) => problem(field, message)) };
    }
    const context: PolicyContext = {
      ...place,
      ...identity,
      refuse: (exchange, options) => refuse(identity, exchange.id, options),
      answer: (options) => answer(identity, options),
    };
    const enforcement = await type.create(parsed.configuration, context, services);
    const requiresContracts = type.requiresContracts(parsed.configuration);
    return { policy: { identity, conditions, enforcement, requiresContracts } };
  } catch (error) {
    if (error instanceof PolicyConfigurationError) return { problems: [problem(error.field, error.message)] };
    services.raiseAlarm({
      ...identity,
      apiId: place.apiId,
      code: "POLICY_NOT_COMPILED",
      message: "a policy failed while it was made ready",
      cause: error,
    });
    return { problems: [problem("", "failed while it was made ready; the gateway's log has the reason")] };
  }
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new PolicyConfigurationError("", "the configuration is no JSON", { cause: error });
  }
}

function tierFromWire({ tierId, name, limits }: SlaTier): Tier {
  return {
    tierId,
    name,
    limits: limits.map(({ requests, periodMs }) => ({ requests: Number(requests), periodMs: Number(periodMs) })),
  };
}

/** Two documents with one fingerprint differ in contracts and revision at most. */
function fingerprintOf({ apiId, name, version, environment, policies, tiers }: ApiDocument): string {
  const parts = {
    apiId,
    name,
    version,
    environment,
    policies: policies.map(withHexAssets),
    tiers: tiers.map(tierFromWire),
  };
  return hash("sha256", JSON.stringify(parts), "base64url");
}

function withHexAssets(policy: Policy): unknown {
  return { ...policy, assets: policy.assets.map((digest) => digest.toString("hex")) };
}
