import { policyCatalogue } from "./catalogue.ts";

/**
 * What to store for a policy: `configuration`, found valid by `validatePolicy`, with its passwords replaced by hashes.
 * Preparing what is prepared changes nothing.
 * @throws if the type is unknown or the configuration is not valid
 */
export async function prepareConfiguration(type: string, configuration: unknown): Promise<unknown> {
  const policyType = policyCatalogue.get(type);
  if (!policyType) throw new TypeError(`there is no policy type "${type}"`);
  if (!policyType.prepare) return configuration;
  return policyType.prepare(policyType.schema.parse(configuration));
}
