import type { ApiDocument } from "@drawbridge/contracts/apis/v1/configuration";
import type { ContractSet } from "../contracts/contract-set.ts";
import type { CompiledCondition } from "../matching/condition.ts";
import type { PolicyServices } from "../policy-services.ts";
import type { Enforcement } from "./enforcement.ts";
import { Pipeline } from "./pipeline.ts";
import type { PolicyIdentity } from "./reply.ts";

export interface CompiledPolicy {
  readonly identity: PolicyIdentity;
  /** Any of them; none: every request. */
  readonly conditions: readonly CompiledCondition[];
  readonly enforcement: Enforcement;
  readonly requiresContracts: boolean;
}

export interface MutableContracts {
  current: ContractSet;
}

export interface CompiledApiOptions {
  readonly document: ApiDocument;
  readonly fingerprint: string;
  readonly policies: readonly CompiledPolicy[];
  readonly contracts: MutableContracts;
  readonly services: PolicyServices;
}

/** Results of matching are kept for so many pairs of method and path, of paths of at most so many characters. */
const mostRemembered = 4_096;
const longestRemembered = 256;

/** The policies of one API instance at work. */
export class CompiledApi {
  readonly apiId: string;
  readonly name: string;
  readonly version: string;
  readonly environment: string;
  readonly fingerprint: string;
  /** Whether a policy looks contracts up. */
  readonly requiresContracts: boolean;
  readonly #policies: readonly CompiledPolicy[];
  readonly #contracts: MutableContracts;
  readonly #services: PolicyServices;
  readonly #conditional: boolean;
  /** By the policies that it consists of: one character each, "1" or "0". */
  readonly #pipelines = new Map<string, Pipeline>();
  readonly #remembered = new Map<string, Pipeline>();
  readonly #everything: Pipeline;
  #revision: bigint;

  constructor({ document, fingerprint, policies, contracts, services }: CompiledApiOptions) {
    this.apiId = document.apiId;
    this.name = document.name;
    this.version = document.version;
    this.environment = document.environment;
    this.#revision = document.revision;
    this.fingerprint = fingerprint;
    this.#policies = policies;
    this.#contracts = contracts;
    this.#services = services;
    this.requiresContracts = policies.some((policy) => policy.requiresContracts);
    this.#conditional = policies.some((policy) => policy.conditions.length > 0);
    this.#everything = this.#build(policies);
  }

  get revision(): bigint {
    return this.#revision;
  }

  /** Approved contracts in force. */
  get contractCount(): number {
    return this.#contracts.current.count;
  }

  /** Put other contracts in force, between two requests. */
  replaceContracts(contracts: ContractSet, revision: bigint): void {
    this.#contracts.current = contracts;
    this.#revision = revision;
  }

  /** The policies for a request. `path` is normalised, below the base path, and begins with "/". */
  pipeline(method: string, path: string): Pipeline {
    if (!this.#conditional) return this.#everything;
    const key = `${method} ${path}`;
    const known = this.#remembered.get(key);
    if (known !== undefined) return known;
    const pipeline = this.#match(method, path);
    if (key.length <= longestRemembered) {
      if (this.#remembered.size >= mostRemembered) this.#remembered.clear();
      this.#remembered.set(key, pipeline);
    }
    return pipeline;
  }

  /** Release what policies hold. Exchanges under way may still end. */
  close(): void {
    for (const { identity, enforcement } of this.#policies) {
      try {
        enforcement.close?.();
      } catch (error) {
        this.#report(identity, error);
      }
    }
  }

  #match(method: string, path: string): Pipeline {
    const matching = this.#policies.filter(
      ({ conditions }) => conditions.length === 0 || conditions.some((condition) => condition.matches(method, path)),
    );
    const key = this.#policies.map((policy) => (matching.includes(policy) ? "1" : "0")).join("");
    const known = this.#pipelines.get(key);
    if (known !== undefined) return known;
    const pipeline = this.#build(matching);
    if (this.#pipelines.size >= mostRemembered) this.#pipelines.clear();
    this.#pipelines.set(key, pipeline);
    return pipeline;
  }

  #build(policies: readonly CompiledPolicy[]): Pipeline {
    return new Pipeline(policies, (identity, thrown) => this.#report(identity, thrown));
  }

  #report(identity: PolicyIdentity, thrown: unknown): void {
    this.#services.raiseAlarm({
      ...identity,
      apiId: this.apiId,
      code: "POLICY_FAILED",
      message: "a policy failed at a request",
      cause: thrown,
    });
  }
}
