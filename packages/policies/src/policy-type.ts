import type { z } from "zod";
import type { ContractDirectory, Tier } from "./contracts/contract-set.ts";
import type { Enforcement } from "./pipeline/enforcement.ts";
import type { Exchange } from "./pipeline/exchange.ts";
import type { AnswerOptions, PolicyIdentity, Refusal, RefuseOptions, Reply } from "./pipeline/reply.ts";
import type { PolicyServices } from "./policy-services.ts";
import type { FieldProblem } from "./validate-policy.ts";

export type PolicyCategory = "security" | "quality_of_service" | "transformation" | "troubleshooting";

/** What a policy knows about its place. */
export interface PolicyContext extends PolicyIdentity {
  readonly apiId: string;
  /** Its own place in Exchange.state. */
  readonly slot: number;
  /** Contracts of the API; `current` is replaced as a whole when one changes, without a new compilation. */
  readonly contracts: ContractDirectory;
  /** SLA tiers of the API by id. */
  readonly tiers: ReadonlyMap<string, Tier>;
  /** Objects that the policy names, by SHA-256 in lower-case hex. */
  readonly assets: ReadonlyMap<string, Uint8Array>;
  readonly refuse: (exchange: Exchange, options: RefuseOptions) => Refusal;
  readonly answer: (options: AnswerOptions) => Reply;
}

/** A policy type of the catalogue. `C` is the configuration with defaults filled in. */
export interface PolicyType<C = unknown> {
  /** Kebab case, never changed: "rate-limiting". */
  readonly type: string;
  readonly title: string;
  /** One or two sentences for the operator. */
  readonly description: string;
  readonly category: PolicyCategory;
  /**
   * A strict object; every field with a description. Rules that JSON Schema cannot say go in `.superRefine`, with the path
   * of the field. Secrets of the operator carry `.meta({ secret: true })`.
   */
  readonly schema: z.ZodType<C>;
  /** "first": before all others whatever its order, and without conditions. "last": after all others. */
  readonly position: "first" | "ordered" | "last";
  /** At most one of its kind for one request: two whose conditions may both match are refused at save. */
  readonly isSingle?: boolean;
  /** What it leaves in the exchange for later policies. */
  readonly provides: readonly ("client" | "principal")[];
  /** What an earlier policy must have left; a save without one is warned about. */
  readonly needs?: (configuration: C) => readonly ("client" | "principal")[];
  /** Whether the gate has to wait for the contracts. */
  readonly requiresContracts: (configuration: C) => boolean;
  /** What to store instead of a configuration that an operator gave: its passwords replaced by hashes. */
  readonly prepare?: (configuration: C) => Promise<unknown>;
  /** What keeps it from being saved now, though a gateway that has it goes on with it: what ends with time. */
  readonly problemsOn?: (configuration: C, now: Date) => readonly FieldProblem[];
  /** Bytes of body that it reads before it decides; 0 for none. */
  readonly bodyBytes: (configuration: C) => number;
  /**
   * Build the policy. No IO here but through `services.startModule`.
   * @throws PolicyConfigurationError where the schema could not see that it cannot work; the API is then not usable.
   */
  readonly create: (
    configuration: C,
    context: PolicyContext,
    services: PolicyServices,
  ) => Enforcement | Promise<Enforcement>;
}

/**
 * Checks a definition against `C` and forgets it, so that types of different configurations fit in one catalogue. `needs` of
 * the result takes a configuration as it was saved, without its defaults; what the schema refuses needs nothing.
 */
export function definePolicyType<C>(definition: PolicyType<C>): PolicyType {
  const { needs, schema } = definition;
  const defined: PolicyType<C> = needs
    ? {
        ...definition,
        needs(saved) {
          const parsed = schema.safeParse(saved);
          return parsed.success ? needs(parsed.data) : [];
        },
      }
    : definition;
  // compileApi parses a configuration with this type's schema before it calls any other of its functions.
  return defined as unknown as PolicyType;
}
