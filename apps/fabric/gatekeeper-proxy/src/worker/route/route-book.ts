import type { App, Binding, Change, Listener, Verdict } from "../../workers/protocol.ts";
import type { AppRoute } from "./app-route.ts";
import type { GatePoint, GateVerdict } from "./gate-point.ts";
import { createBindingTable, type BindingTable } from "./match-binding.ts";
import type { ReplicaRegistry } from "./replica-registry.ts";

/** Where requests of this thread go: apps, their deployments and gates. Every change is between two requests. */
export interface RouteBook {
  apply(change: Exclude<Change, { change: "set_added" | "set_removed" | "listener_set" | "listener_removed" }>): void;
  findApp(target: Listener["target"], host: string, path: string): AppRoute | undefined;
}

interface AppEntry {
  readonly app: App;
  readonly tables: ReadonlyMap<string, BindingTable>;
  readonly gateIds: readonly string[];
  route: AppRoute;
}

export function createRouteBook(options: {
  readonly registry: ReplicaRegistry;
  readonly verdictOf: (verdict: Verdict) => GateVerdict;
}): RouteBook {
  const { registry, verdictOf } = options;
  const apps = new Map<string, AppEntry>();
  const gates = new Map<string, GatePoint>();

  function gateOf({ gateId, verdict }: Binding): GatePoint {
    const gate = gates.get(gateId) ?? { gateId, verdict: verdictOf(verdict) };
    gate.verdict = verdictOf(verdict);
    gates.set(gateId, gate);
    return gate;
  }

  function routeOf(app: App, tables: ReadonlyMap<string, BindingTable>): AppRoute {
    return {
      appId: app.appId,
      appName: app.appName,
      deployments: app.deployments.flatMap((deployment) => {
        const bindings = tables.get(deployment.deployment);
        const ready = registry.readyOf(app.appId, deployment);
        return bindings === undefined ? [] : [{ deployment: deployment.deployment, bindings, ready }];
      }),
    };
  }

  function setApp(app: App): void {
    const old = apps.get(app.appId);
    registry.replace(app.appId, app.deployments);
    const tables = new Map(
      app.deployments.map(({ deployment, bindings }) => [deployment, createBindingTable(bindings, gateOf)]),
    );
    const gateIds = app.deployments.flatMap(({ bindings }) => bindings.map(({ gateId }) => gateId));
    apps.set(app.appId, { app, tables, gateIds, route: routeOf(app, tables) });
    forgetGates(old, new Set(gateIds));
  }

  function forgetGates(entry: AppEntry | undefined, kept: ReadonlySet<string>): void {
    for (const gateId of entry?.gateIds ?? []) if (!kept.has(gateId)) gates.delete(gateId);
  }

  return {
    apply(change) {
      switch (change.change) {
        case "app_set":
          return setApp(change.app);
        case "app_removed":
          forgetGates(apps.get(change.appId), new Set());
          apps.delete(change.appId);
          return registry.remove(change.appId);
        case "replicas_set": {
          const entry = apps.get(change.appId);
          if (entry === undefined) return;
          const { app, tables, gateIds } = entry;
          const named = new Map(change.deployments.map((replicas) => [replicas.deployment, replicas]));
          const deployments = app.deployments.map((deployment) => ({
            ...deployment,
            ...(named.get(deployment.deployment) ?? { ready: [], listed: [] }),
          }));
          registry.replace(change.appId, deployments);
          const next = { ...app, deployments };
          apps.set(change.appId, { app: next, tables, gateIds, route: routeOf(next, tables) });
          return;
        }
        case "verdicts_set":
          for (const { gateId, verdict } of change.verdicts) {
            const gate = gates.get(gateId);
            if (gate !== undefined) gate.verdict = verdictOf(verdict);
          }
      }
    },
    findApp(target, host, path) {
      if (target.kind === "app") return apps.get(target.appId)?.route;
      const name = hostName(host);
      const route = target.routes.find(
        (candidate) => (candidate.host === undefined || candidate.host === name) && isBelow(path, candidate.pathPrefix),
      );
      return route === undefined ? undefined : apps.get(route.appId)?.route;
    },
  };
}

/** Lower case, without the port. */
function hostName(host: string): string {
  return host.toLowerCase().replace(/:\d+$/, "").replace(/\.$/, "");
}

function isBelow(path: string, prefix: string): boolean {
  if (prefix === "/") return true;
  const base = prefix.endsWith("/") ? prefix.slice(0, -1) : prefix;
  return path.startsWith(base) && (path.length === base.length || path.charCodeAt(base.length) === 0x2f);
}
