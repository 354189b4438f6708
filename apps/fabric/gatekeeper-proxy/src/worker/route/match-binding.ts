import { compileCondition } from "@drawbridge/policies";
import type { Binding } from "../../workers/protocol.ts";
import type { GatePoint } from "./gate-point.ts";

/** The tracked resources of one API. */
export interface TrackedApi {
  readonly gate: GatePoint;
  readonly basePath: string;
  /** Whether a resource is tracked; `path` is below the base path and begins with "/". */
  readonly isTracked: (method: string, path: string) => boolean;
}

export interface BindingMatch {
  readonly gate: GatePoint;
  /** Path below the base path, beginning with "/". */
  readonly relativePath: string;
}

/** All APIs of one deployment, by base path. */
export interface BindingTable {
  /** The API that a request belongs to: that of the longest base path; undefined if the resource is not tracked. */
  match(method: string, path: string): BindingMatch | undefined;
}

/** `gateOf` gives the gate of a binding, the same one as long as the gate exists. */
export function createBindingTable(
  bindings: readonly Binding[],
  gateOf: (binding: Binding) => GatePoint,
): BindingTable {
  const byBasePath = new Map<string, TrackedApi[]>();
  for (const binding of bindings) {
    const basePath = binding.basePath.length > 1 ? binding.basePath.replace(/\/+$/, "") : binding.basePath;
    const here = byBasePath.get(basePath) ?? [];
    here.push({ gate: gateOf(binding), basePath, isTracked: trackedBy(binding.resources) });
    byBasePath.set(basePath, here);
  }
  const root = byBasePath.get("/");
  const longest = Math.max(0, ...[...byBasePath.keys()].map((basePath) => basePath.length));

  function pick(apis: readonly TrackedApi[], method: string, path: string): BindingMatch | undefined {
    for (const { gate, basePath, isTracked } of apis) {
      const relativePath =
        basePath === "/" ? path : path.length === basePath.length ? "/" : path.slice(basePath.length);
      if (isTracked(method, relativePath)) return { gate, relativePath };
    }
    return undefined;
  }

  return {
    match(method, path) {
      if (byBasePath.size === 0) return undefined;
      if (byBasePath.size === 1 && root !== undefined) return pick(root, method, path);
      let end = path.length;
      while (end > 0) {
        if (end <= longest) {
          const apis = byBasePath.get(end === path.length ? path : path.slice(0, end));
          if (apis !== undefined && end > 1) return pick(apis, method, path);
        }
        end = path.lastIndexOf("/", end - 1);
      }
      return root === undefined ? undefined : pick(root, method, path);
    },
  };
}

/** A resource that cannot be read as a template makes all of the API tracked: undecided is tracked (GK 1). */
function trackedBy(resources: Binding["resources"]): (method: string, path: string) => boolean {
  if (resources.length === 0) return () => true;
  try {
    const conditions = resources.map(({ method, path }) =>
      compileCondition({ methods: method, path: { $case: "uriTemplate", value: path } }, "resource"),
    );
    // What answers HEAD and OPTIONS answers for the resource: its policies hold there too.
    return (method, path) =>
      conditions.some(
        (condition) =>
          condition.matches(method, path) ||
          (method === "HEAD" && condition.matches("GET", path)) ||
          (method === "OPTIONS" && condition.expression.testExact(path)),
      );
  } catch {
    return () => true;
  }
}
