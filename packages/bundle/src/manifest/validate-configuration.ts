import type { Manifest } from "./manifest-schema.ts";
import { checkValue } from "./property-value.ts";

export interface ConfigurationProblem {
  /** Name of the property. */
  readonly field: string;
  readonly message: string;
}

export type ConfigurationVerdict =
  | {
      readonly outcome: "valid";
      /** Every plain property that the app gets: those given and the defaults of the others, sorted by name. */
      readonly values: Readonly<Record<string, string>>;
    }
  | { readonly outcome: "invalid"; readonly problems: readonly ConfigurationProblem[] };

/**
 * Check the properties of a deployment against what the manifest declares. Secure and sealed properties are given by name only:
 * whoever can read their values checks those with `checkPropertyValue`.
 */
export function validateConfiguration(
  manifest: Pick<Manifest, "configuration">,
  properties: Readonly<Record<string, string>>,
  secureNames: Iterable<string> = [],
): ConfigurationVerdict {
  const declared = new Map(Object.entries(manifest.configuration.properties));
  const given = new Map(Object.entries(properties));
  const secure = new Set(secureNames);
  const problems: ConfigurationProblem[] = [];
  const values = new Map<string, string>();

  for (const name of [...given.keys(), ...secure].filter((name) => !declared.has(name))) {
    problems.push({ field: name, message: unknownMessage([...declared.keys()]) });
  }
  for (const [name, property] of declared) {
    const value = given.get(name);
    if (value !== undefined && secure.has(name)) {
      problems.push({ field: name, message: "is given both as a plain and as a secure property; give it once" });
    } else if (value !== undefined && property.secret) {
      problems.push({ field: name, message: "is a secret; give it as a secure property" });
    } else if (value !== undefined) {
      const message = checkValue(property, value);
      if (message === undefined) values.set(name, value);
      else problems.push({ field: name, message });
    } else if (property.default !== undefined && !secure.has(name)) {
      values.set(name, String(property.default));
    } else if (property.required && !secure.has(name)) {
      problems.push({
        field: name,
        message: property.secret ? "is required; give it as a secure property" : "is required",
      });
    }
  }
  if (problems.length > 0) return { outcome: "invalid", problems };
  return { outcome: "valid", values: Object.fromEntries([...values].toSorted(([a], [b]) => (a < b ? -1 : 1))) };
}

/** What is wrong with the value of one declared property, secure ones included; undefined when nothing is. */
export function checkPropertyValue(
  manifest: Pick<Manifest, "configuration">,
  name: string,
  value: string,
): string | undefined {
  const declared = new Map(Object.entries(manifest.configuration.properties));
  const property = declared.get(name);
  return property === undefined ? unknownMessage([...declared.keys()]) : checkValue(property, value);
}

function unknownMessage(declared: readonly string[]): string {
  if (declared.length === 0) return "is not known: the app's manifest declares no configuration";
  return `is not known; the app's manifest declares ${declared.toSorted().slice(0, 20).join(", ")}`;
}
