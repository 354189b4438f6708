import type { App, Binding, Change, Listener, Verdict } from "../../workers/protocol.ts";
import type { AppRoute } from "./app-route.ts";
import type { GatePoint, GateVerdict } from "./gate-point.ts";
import { createBindingTable, type BindingTable } from "./match-binding.ts";
import type { ReplicaRegistry } from "./replica-registry.ts";
import { createSharedRoutes, type FindShared } from "./shared-routes.ts";

/** Where requests of this thread go: apps, their deployments and gates. Every change is between two requests. */
export interface RouteBook {
  apply(change: Exclude<Change, { change: "set_added" | "set_removed" | "listener_set" | "listener_removed" }>): void;
  findApp(target: Listener["target"], host: string, path: string): AppRoute | undefined;
}

type SharedTarget = Extract<Listener["target"], { kind: "shared" }>;

interface AppEntry {
  readonly app: App;
  readonly tables: ReadonlyMap<string, BindingTable>;
  readonly gateIds: readonly string[];
  route: AppRoute;
}

export function createRouteBook(options: {
  readonly registry: ReplicaRegistry;
  readonly verdictOf: (verdict: Verdict, appName: string) => GateVerdict;
}): RouteBook {
  const { registry, verdictOf } = options;
  const apps = new Map<string, AppEntry>();
  const gates = new Map<string, GatePoint>();
  /** A listener's target is replaced as a whole. */
  const shared = new WeakMap<SharedTarget, FindShared>();

  function sharedOf(target: SharedTarget): FindShared {
    const known = shared.get(target);
    if (known !== undefined) return known;
    const routes = createSharedRoutes(target.routes);
    shared.set(target, routes);
    return routes;
  }

  function gateOf({ gateId, verdict }: Binding, appName: string): GatePoint {
    const known = gates.get(gateId);
    const gate: GatePoint =
      known?.appName === appName
        ? known
        : {
            gateId,
            appName,
            verdict: { verdict: "closed", reason: "initializing" },
            reporting: undefined,
            captures: undefined,
          };
    setVerdict(gate, verdict);
    gates.set(gateId, gate);
    return gate;
  }

  function setVerdict(gate: GatePoint, verdict: Verdict): void {
    gate.verdict = verdictOf(verdict, gate.appName);
    gate.captures = gate.verdict.verdict === "open" ? gate.verdict.captures : undefined;
    if (gate.verdict.verdict !== "closed") {
      gate.reporting = gate.verdict.verdict === "open" ? gate.verdict.reporting : undefined;
    }
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
      app.deployments.map(({ deployment, bindings }) => [
        deployment,
        createBindingTable(bindings, (binding) => gateOf(binding, app.appName)),
      ]),
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
            if (gate !== undefined) setVerdict(gate, verdict);
          }
      }
    },
    findApp(target, host, path) {
      if (target.kind === "app") return apps.get(target.appId)?.route;
      const appId = sharedOf(target)(host, path);
      return appId === undefined ? undefined : apps.get(appId)?.route;
    },
  };
}
