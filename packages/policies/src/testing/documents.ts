import {
  ContractPage,
  type ApiDocument,
  type Contract,
  type Policy,
  type SlaTier,
} from "@drawbridge/contracts/apis/v1/configuration";
import { bucketOf } from "../contracts/paged-contracts.ts";
import type { ApiSources } from "../pipeline/compile-api.ts";

export interface TestPolicy extends Partial<Omit<Policy, "configurationJson">> {
  readonly type: string;
  readonly configuration?: unknown;
}

export function aPolicy({ configuration = {}, ...policy }: TestPolicy): Policy {
  return {
    policyId: `id of ${policy.name ?? policy.type}`,
    name: policy.type,
    automated: false,
    order: 1,
    conditions: [],
    assets: [],
    configurationJson: JSON.stringify(configuration),
    ...policy,
  };
}

export interface TestApi {
  readonly policies?: readonly TestPolicy[];
  readonly contracts?: readonly Contract[];
  readonly tiers?: readonly SlaTier[];
  readonly revision?: bigint;
  readonly pages?: number;
  readonly assets?: ReadonlyMap<string, Uint8Array>;
}

/** Sources of an API as the gateway gets them: contracts on encoded pages. */
export function apiSources({
  policies = [],
  contracts = [],
  tiers = [],
  revision = 1n,
  pages = 1,
  assets,
}: TestApi): ApiSources {
  const contractPages = contracts.length === 0 ? [] : contractPagesOf(contracts, pages);
  const document: ApiDocument = {
    apiId: "api-1",
    name: "orders",
    version: "v1",
    environment: "production",
    revision,
    policies: policies.map((policy) => aPolicy(policy)),
    tiers: [...tiers],
    contractPages: contractPages.map(() => Buffer.alloc(32)),
    contractCount: contracts.length,
    observeRoutes: undefined,
    analytics: undefined,
    captures: [],
  };
  return { document, contractPages, assets: assets ?? new Map() };
}

/** Contracts on pages by their client ids, sorted, as api-manager lays them out. */
export function contractPagesOf(contracts: readonly Contract[], pages: number): Uint8Array[] {
  const buckets = Array.from({ length: pages }, (): Contract[] => []);
  for (const contract of contracts) buckets[bucketOf(contract.clientId, pages)]?.push(contract);
  return buckets.map((bucket) =>
    ContractPage.encode({
      contracts: bucket.toSorted((one, other) => (one.clientId < other.clientId ? -1 : 1)),
    }).finish(),
  );
}
