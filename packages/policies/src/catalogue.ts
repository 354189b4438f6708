import type { PolicyType } from "./policy-type.ts";

/** Every policy type that there is, in the order in which operators see them. */
const policyTypes: readonly PolicyType[] = [];

/** By type name. */
export const policyCatalogue: ReadonlyMap<string, PolicyType> = new Map(policyTypes.map((type) => [type.type, type]));
