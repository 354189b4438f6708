/** Where an app is in the REST API. */
export function appPath(environment: string, name: string): string {
  return `/v1/environments/${encodeURIComponent(environment)}/apps/${encodeURIComponent(name)}`;
}
