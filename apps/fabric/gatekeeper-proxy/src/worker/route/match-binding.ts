import { compileCondition, matchingForm } from "@drawbridge/policies";
import type { Binding } from "../../workers/protocol.ts";
import { normaliseTarget } from "../request/normalise-target.ts";
import type { GatePoint } from "./gate-point.ts";

/**
 * The tracked resource as a template, empty where the API lists none; undefined: not tracked. `path` is below the base path
 * and begins with "/".
 */
type ResourceOf = (method: string, path: string) => string | undefined;

/** The tracked resources of one API. */
interface TrackedApi {
  readonly gate: GatePoint;
  readonly resourceOf: ResourceOf;
}

export interface BindingMatch {
  readonly gate: GatePoint;
  /** Path below the base path, beginning with "/". */
  readonly relativePath: string;
  /** Template of the tracked resource; empty where the API lists none. */
  readonly resource: string;
}

/**
 * All APIs of one deployment, by base path. Case and escapes of characters that need none do not count: many servers answer
 * "/Orders" and "/%6Frders" as they do "/orders", and nothing must get round its policies by spelling (GK 1).
 */
export interface BindingTable {
  /** The API of the longest base path that tracks the resource; undefined if none does. */
  match(method: string, path: string): BindingMatch | undefined;
}

/** `gateOf` gives the gate of a binding, the same one as long as the gate exists. */
export function createBindingTable(
  bindings: readonly Binding[],
  gateOf: (binding: Binding) => GatePoint,
): BindingTable {
  const byBasePath = new Map<string, TrackedApi[]>();
  for (const binding of bindings) {
    const basePath = comparableBasePath(binding.basePath);
    const here = byBasePath.get(basePath) ?? [];
    here.push({ gate: gateOf(binding), resourceOf: resourcesOf(binding.resources) });
    byBasePath.set(basePath, here);
  }
  const root = byBasePath.get("/");
  const longest = Math.max(0, ...[...byBasePath.keys()].map((basePath) => basePath.length));

  function pick(apis: readonly TrackedApi[], method: string, relativePath: string): BindingMatch | undefined {
    for (const { gate, resourceOf } of apis) {
      const resource = resourceOf(method, relativePath);
      if (resource !== undefined) return { gate, relativePath, resource };
    }
    return undefined;
  }

  function matchBelowRoot(method: string, path: string): BindingMatch | undefined {
    const lower = path.toLowerCase();
    const isEscaped = path.includes("%");
    for (let end = path.length; end > 0; end = path.lastIndexOf("/", end - 1)) {
      if (end > longest && !isEscaped) continue;
      const beginning = lower.slice(0, end);
      const apis = byBasePath.get(isEscaped ? matchingForm(beginning).toLowerCase() : beginning);
      // The root comes last, with the whole path.
      const match = apis === undefined || apis === root ? undefined : pick(apis, method, path.slice(end) || "/");
      if (match !== undefined) return match;
    }
    return undefined;
  }

  return {
    match(method, path) {
      if (byBasePath.size === 0) return undefined;
      const isRootOnly = byBasePath.size === 1 && root !== undefined;
      const match = isRootOnly ? undefined : matchBelowRoot(method, path);
      return match ?? (root === undefined ? undefined : pick(root, method, path));
    },
  };
}

/** In the form in which paths arrive. One that no path can have makes all of the app tracked: undecided is tracked. */
function comparableBasePath(basePath: string): string {
  const escaped = basePath.replaceAll(/[^!-~]/gu, (character) => encodeURIComponent(character.toWellFormed()));
  const target = normaliseTarget(escaped, { isTls: false, pathParameters: "pass" });
  if (typeof target === "string" || target.search !== "") return "/";
  const path = matchingForm(target.path).toLowerCase();
  return path.length > 1 ? path.replace(/\/+$/, "") : path;
}

/** A resource that cannot be read as a template makes all of the API tracked: undecided is tracked (GK 1). */
function resourcesOf(resources: Binding["resources"]): ResourceOf {
  if (resources.length === 0) return () => "";
  try {
    const conditions = resources.map(({ method, path }) => ({
      template: path,
      condition: compileCondition({ methods: method, path: { $case: "uriTemplate", value: path } }, "resource"),
    }));
    // What answers HEAD and OPTIONS answers for the resource: its policies hold there too.
    return (method, path) =>
      conditions.find(
        ({ condition }) =>
          condition.matches(method, path) ||
          (method === "HEAD" && condition.matches("GET", path)) ||
          (method === "OPTIONS" && condition.expression.testExact(path)),
      )?.template;
  } catch {
    return () => "";
  }
}
