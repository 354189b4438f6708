import type { ApiKey } from "./api-key.ts";

/** A declaration in the manifest of a deployed app (autodiscovery). */
export interface Binding {
  readonly appId: string;
  readonly appName: string;
  readonly api: ApiKey;
  readonly basePath: string;
  /** Tracked resources; none: everything below the base path. */
  readonly resources: readonly Resource[];
}

export interface Resource {
  /** Upper case, or "*". */
  readonly method: string;
  /** URI template below the base path. */
  readonly path: string;
}
