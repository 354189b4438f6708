import type { AppRoute, DeploymentEndpoints, RoutingTable } from "@drawbridge/app-routes";
import type { App, Binding, Change, Deployment, Replicas, Verdict } from "../workers/protocol.ts";
import type { ServedApp } from "../routes/app-watch.ts";
import { gateIdOf } from "./gate-book.ts";

/** An app as the workers know it, or are about to. */
interface KnownApp {
  readonly served: ServedApp;
  readonly app: App;
  /** What of it is not replicas: another structure is another app to the workers. */
  readonly structure: string;
}

export type VerdictOf = (gateId: string) => Verdict;

/** The apps that the gateway serves, as messages for its workers. */
export class AppBook {
  readonly #apps = new Map<string, KnownApp>();

  route(appId: string): AppRoute | undefined {
    return this.#apps.get(appId)?.served.route;
  }

  served(appId: string): ServedApp | undefined {
    return this.#apps.get(appId)?.served;
  }

  *routes(): Iterable<AppRoute> {
    for (const { served } of this.#apps.values()) yield served.route;
  }

  deployments(appId: string): readonly DeploymentEndpoints[] {
    return this.#apps.get(appId)?.served.table?.deployments ?? [];
  }

  /** New, or changed. The gates of its deployments are engaged already. */
  set(served: ServedApp, verdictOf: VerdictOf): Change[] {
    const { route, table } = served;
    const before = this.#apps.get(route.appId);
    const app = appOf(served, verdictOf);
    const structure = structureOf(app);
    this.#apps.set(route.appId, { served, app, structure });
    const changes: Change[] = [];
    const isMoved =
      before !== undefined &&
      (before.served.route.port !== route.port || before.served.route.address !== route.address);
    if (isMoved) changes.push({ change: "listener_removed", listenerId: route.appId });
    if (before?.structure !== structure) changes.push({ change: "app_set", app });
    else if (
      table !== undefined &&
      JSON.stringify(before.app.deployments.map(replicasOf)) !== JSON.stringify(app.deployments.map(replicasOf))
    ) {
      changes.push({ change: "replicas_set", appId: route.appId, deployments: app.deployments.map(replicasOf) });
    }
    if (before === undefined || isMoved) changes.push(listenerOf(route));
    return changes;
  }

  remove(appId: string): Change[] {
    if (!this.#apps.delete(appId)) return [];
    return [
      { change: "listener_removed", listenerId: appId },
      { change: "app_removed", appId },
    ];
  }

  /** For a worker that starts: listeners after what they lead to. */
  everything(verdictOf: VerdictOf): { readonly apps: Change[]; readonly listeners: Change[] } {
    const all = [...this.#apps.values()];
    return {
      apps: all.map(({ served }): Change => ({ change: "app_set", app: appOf(served, verdictOf) })),
      listeners: all.map(({ served }) => listenerOf(served.route)),
    };
  }
}

export function listenerOf({ appId, address, port }: AppRoute): Change {
  return {
    change: "listener_set",
    listener: { listenerId: appId, address, port, tls: undefined, target: { kind: "app", appId } },
  };
}

function appOf({ route, table }: ServedApp, verdictOf: VerdictOf): App {
  const { appId, appName, environment } = route;
  const bindingsOf = ({ key, apis }: DeploymentEndpoints): Binding[] =>
    apis.map((binding) => {
      const gateId = gateIdOf(appId, key, binding);
      const { name, version, basePath, resources } = binding;
      return { gateId, apiName: name, apiVersion: version, basePath, resources, verdict: verdictOf(gateId) };
    });
  const deployments = (table?.deployments ?? []).map((deployment): Deployment => {
    const { deployment: key, ready, listed } = replicasIn(deployment, table);
    return { deployment: key, ready, listed, bindings: bindingsOf(deployment) };
  });
  return { appId, appName, environment, deployments };
}

function replicasIn({ key, replicaIds }: DeploymentEndpoints, table: RoutingTable | undefined): Replicas {
  const listed = replicaIds.filter((replicaId) => table?.listed.has(replicaId));
  const ready = (table?.routes ?? []).filter(({ replicaId }) => listed.includes(replicaId));
  return { deployment: key, listed, ready };
}

function replicasOf({ deployment, ready, listed }: Deployment): Replicas {
  return { deployment, ready, listed };
}

function structureOf({ appName, environment, deployments }: App): string {
  const parts = deployments.map(({ deployment, bindings }) => [
    deployment,
    bindings.map(({ gateId, basePath, resources }) => [gateId, basePath, resources]),
  ]);
  return JSON.stringify([appName, environment, parts]);
}
