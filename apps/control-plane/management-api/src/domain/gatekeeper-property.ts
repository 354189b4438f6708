/** Configuration properties that set the gatekeeper's level of an app; the first that is there counts. */
const propertyNames = ["anypoint.platform.gatekeeper", "drawbridge.gatekeeper"] as const;

/** The level in an app's properties, and those that are left for the app. */
export function takeGatekeeper(properties: Readonly<Record<string, string>> | undefined): {
  readonly level: string | undefined;
  readonly properties: Readonly<Record<string, string>> | undefined;
} {
  const name = propertyNames.find((candidate) => properties !== undefined && Object.hasOwn(properties, candidate));
  if (properties === undefined || name === undefined) return { level: undefined, properties };
  const isOurs = (key: string): boolean => propertyNames.some((candidate) => candidate === key);
  const others = Object.entries(properties).filter(([key]) => !isOurs(key));
  // Nothing else was said: the app keeps the properties that it has.
  return { level: properties[name], properties: others.length === 0 ? undefined : Object.fromEntries(others) };
}
