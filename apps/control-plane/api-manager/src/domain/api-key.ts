/** Name of an API instance, unique in its organisation. */
export interface ApiKey {
  readonly environment: string;
  readonly name: string;
  readonly version: string;
}

export function apiKeyText({ environment, name, version }: ApiKey): string {
  return `${name}:${version}@${environment}`;
}
