import { z } from "zod";
import type { AppId } from "./ids.ts";

/** A declaration in the manifest of a deployed app (autodiscovery). */
export interface ApiBinding {
  readonly appId: AppId;
  readonly appName: string;
  readonly environment: string;
  readonly apiName: string;
  readonly apiVersion: string;
  readonly basePath: string;
  /** None: everything below the base path is tracked. */
  readonly resources: readonly { readonly method: string; readonly path: string }[];
}

/** As packages/bundle writes it; checked when the bundle was uploaded. */
const declared = z.object({
  name: z.string(),
  version: z.string(),
  basePath: z.string().default("/"),
  resources: z.array(z.object({ method: z.string().default("*"), path: z.string() })).default([]),
});

/** What the list `apis` of a manifest declares; what is no declaration is left out. */
export function bindingsOf(
  app: Pick<ApiBinding, "appId" | "appName" | "environment">,
  apis: unknown,
): readonly ApiBinding[] {
  if (!Array.isArray(apis)) return [];
  return apis.flatMap((api: unknown) => {
    const { data } = declared.safeParse(api);
    if (data === undefined) return [];
    const { name: apiName, version: apiVersion, basePath, resources } = data;
    return [{ ...app, apiName, apiVersion, basePath, resources }];
  });
}

/** The same declaration of two revisions of an app counts once. */
export function distinctBindings(bindings: readonly ApiBinding[]): readonly ApiBinding[] {
  return [...new Map(bindings.map((binding) => [JSON.stringify(binding), binding])).values()];
}
