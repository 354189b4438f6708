import { isDeepStrictEqual } from "node:util";
import { checkPropertyValue, type Manifest, validateConfiguration } from "@drawbridge/bundle";

/** Properties that came with a deploy. */
export interface GivenConfiguration {
  readonly properties: Readonly<Record<string, string>>;
  readonly secureProperties: Readonly<Record<string, string>>;
}

export const nothingGiven: GivenConfiguration = { properties: {}, secureProperties: {} };

export interface PropertyProblem {
  /** "properties.GREETING" */
  readonly field: string;
  readonly message: string;
}

export type ConfigurationPlan =
  /** Store these, defaults among them. */
  | { readonly action: "store"; readonly configuration: GivenConfiguration }
  /** The app has no configuration. */
  | { readonly action: "none" }
  | { readonly action: "refuse"; readonly problems: readonly PropertyProblem[] };

type Configured = Pick<Manifest, "configuration">;

/** Check what was given against what the manifest declares and add the defaults. */
export function planConfiguration(manifest: Configured, given: GivenConfiguration): ConfigurationPlan {
  const problems: PropertyProblem[] = [];
  const verdict = validateConfiguration(manifest, given.properties, Object.keys(given.secureProperties));
  if (verdict.outcome === "invalid") {
    problems.push(
      ...verdict.problems.map(({ field, message }) => ({ field: `${sectionOf(field, given)}.${field}`, message })),
    );
  }
  for (const [name, value] of Object.entries(given.secureProperties)) {
    const isDeclared = Object.hasOwn(manifest.configuration.properties, name);
    const message = isDeclared ? checkPropertyValue(manifest, name, value) : undefined;
    if (message !== undefined) problems.push({ field: `secureProperties.${name}`, message });
  }
  if (problems.length > 0 || verdict.outcome === "invalid") return { action: "refuse", problems };
  const configuration = { ...given, properties: verdict.values };
  return isEmpty(configuration) ? { action: "none" } : { action: "store", configuration };
}

/**
 * Whether the values of an earlier version can be kept for a new one although nobody here can read them: only if both
 * declare the same properties. Otherwise a new required property would be missing, or a new default would not reach the app.
 */
export function declaresSameProperties(previous: Configured, next: Configured): boolean {
  return isDeepStrictEqual(previous.configuration.properties, next.configuration.properties);
}

/** Properties that one of the two declares differently, for the message. */
export function differingProperties(previous: Configured, next: Configured): readonly string[] {
  const before = previous.configuration.properties;
  const after = next.configuration.properties;
  const names = new Set([...Object.keys(before), ...Object.keys(after)]);
  return [...names].filter((name) => !isDeepStrictEqual(before[name], after[name])).toSorted();
}

/** Size of what is stored: names and values in UTF-8. */
export function configurationBytes(given: GivenConfiguration): number {
  return [given.properties, given.secureProperties]
    .flatMap((section) => Object.entries(section))
    .reduce((sum, [name, value]) => sum + Buffer.byteLength(name) + Buffer.byteLength(value), 0);
}

function sectionOf(name: string, given: GivenConfiguration): keyof GivenConfiguration {
  if (Object.hasOwn(given.properties, name)) return "properties";
  return Object.hasOwn(given.secureProperties, name) ? "secureProperties" : "properties";
}

function isEmpty({ properties, secureProperties }: GivenConfiguration): boolean {
  return [properties, secureProperties].every((section) => Object.keys(section).length === 0);
}
