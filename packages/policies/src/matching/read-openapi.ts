import { parseDocument } from "yaml";
import type { ApiResource } from "./api-resource.ts";

export type OpenApiResources =
  | { readonly outcome: "read"; readonly title: string | undefined; readonly resources: readonly ApiResource[] }
  | { readonly outcome: "refused"; readonly message: string };

const largestDocument = 4 * 1024 * 1024;
const mostResources = 10_000;
/** Fixed fields of a Path Item Object (OpenAPI 3.1 section 4.8.9; "query" is of 3.2). */
const methods = ["get", "put", "post", "delete", "options", "head", "patch", "trace", "query"] as const;

/**
 * The resources in an OpenAPI 3.x document, JSON or YAML: methods and paths as written. Servers are left out: the base path
 * is the binding's.
 */
export function readOpenApiResources(text: string): OpenApiResources {
  if (Buffer.byteLength(text) > largestDocument) return refused(`is larger than ${largestDocument} bytes`);
  const document = parseDocument(text, { prettyErrors: true, logLevel: "silent" });
  const [problem] = document.errors;
  if (problem) return refused(`is neither JSON nor YAML: ${problem.message.split("\n", 1)[0] ?? ""}`);
  let content: unknown;
  try {
    content = document.toJS({ maxAliasCount: 100 });
  } catch {
    return refused("uses too many YAML aliases");
  }
  if (!isRecord(content)) return refused("is no object");
  const { openapi, paths, info } = content;
  if (typeof openapi !== "string" || !/^3\.\d+\.\d+/.test(openapi)) {
    return refused('is no OpenAPI 3 document: its field "openapi" is not "3.x.y"');
  }
  if (paths !== undefined && !isRecord(paths)) return refused('its field "paths" is no object');
  const resources: ApiResource[] = [];
  for (const [path, item] of Object.entries(paths ?? {})) {
    if (path.startsWith("/") && isRecord(item)) {
      if (typeof item["$ref"] === "string")
        return refused(`the path ${path} refers to another document; bundle it first`);
      for (const method of methods) {
        if (isRecord(item[method])) resources.push({ method: method.toUpperCase(), path });
      }
    }
    if (resources.length > mostResources) return refused(`has more than ${mostResources} operations`);
  }
  const title = isRecord(info) && typeof info["title"] === "string" ? info["title"] : undefined;
  return { outcome: "read", title, resources };
}

function refused(message: string): OpenApiResources {
  return { outcome: "refused", message };
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
