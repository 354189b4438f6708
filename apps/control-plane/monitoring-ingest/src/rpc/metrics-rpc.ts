import {
  MetricsServiceService,
  type AppMetrics,
  type MetricPoint,
  type ShowAppsRequest,
} from "@drawbridge/contracts/monitoring/v1/metrics_service";
import { DrawbridgeError } from "@drawbridge/errors";
import type { Clock } from "@drawbridge/lifecycle";
import { defineGrpcService, fieldDetail, type GrpcServiceDefinition } from "@drawbridge/rpc";
import { isCurrent, sumOfReplicas, type MetricValues } from "../domain/app-series.ts";
import { showRange } from "../domain/show-range.ts";
import type { AppFilter, AppKey, AppNow, AppPoint, AppQueries } from "../metrics-store/app-queries.ts";

export function createMetricsRpc(deps: {
  readonly queries: AppQueries;
  readonly clock: Pick<Clock, "now">;
}): GrpcServiceDefinition {
  const { queries, clock } = deps;
  return defineGrpcService(MetricsServiceService, {
    allow: { showApps: [{ service: "management-api" }, { service: "alerting" }] },
    handlers: {
      showApps: async (request, { signal }) => {
        const now = clock.now();
        const range = showRange(request, now);
        const filter = filterOf(request);
        const [latest, points, byReplica] = await Promise.all([
          queries.latest(filter, range.to, signal),
          queries.points(filter, { ...range, of: "apps" }, signal),
          request.byReplica ? queries.points(filter, { ...range, of: "replicas" }, signal) : [],
        ]);
        const current = latest.filter((one) => isCurrent(one, range.to));
        return { apps: appsOf({ current, points, byReplica }, request.byReplica) };
      },
    },
  });
}

const maxEnvironments = 1_000;

function filterOf({ environments, fabricId, fabricIds, app }: ShowAppsRequest): AppFilter {
  if (environments.length === 0 || environments.length > maxEnvironments) {
    throw new DrawbridgeError({
      kind: "invalid_argument",
      code: "MONITORING_QUERY_INVALID",
      message: "the question must name its environments",
      details: { [fieldDetail("environments")]: `must be 1 to ${maxEnvironments}` },
    });
  }
  return { environments, fabricIds: fabricId === "" ? fabricIds : [fabricId], app };
}

interface Found {
  readonly current: readonly AppNow[];
  readonly points: readonly AppPoint[];
  readonly byReplica: readonly AppPoint[];
}

interface Series {
  readonly current: AppNow[];
  readonly points: AppPoint[];
}

interface App extends AppKey, Series {
  readonly replicas: Map<string, Series>;
}

function appsOf(found: Found, isByReplica: boolean): AppMetrics[] {
  const apps = new Map<string, App>();
  const appFor = ({ environment, app, fabricId }: AppKey): App => {
    const key = `${environment} ${app} ${fabricId}`;
    let one = apps.get(key);
    if (one === undefined) {
      apps.set(key, (one = { environment, app, fabricId, current: [], points: [], replicas: new Map() }));
    }
    return one;
  };
  for (const now of found.current) {
    appFor(now).current.push(now);
    replicaFor(appFor(now), now.replica).current.push(now);
  }
  for (const point of found.points) appFor(point).points.push(point);
  for (const point of found.byReplica) replicaFor(appFor(point), point.replica).points.push(point);
  return [...apps].toSorted(([a], [b]) => (a < b ? -1 : 1)).map(([, app]) => messageOf(app, isByReplica));
}

function replicaFor(app: App, replica: string): Series {
  let series = app.replicas.get(replica);
  if (series === undefined) app.replicas.set(replica, (series = { current: [], points: [] }));
  return series;
}

function messageOf(app: App, isByReplica: boolean): AppMetrics {
  const { environment, fabricId } = app;
  const replicas = [...app.replicas].toSorted(([a], [b]) => (a < b ? -1 : 1));
  return {
    environment,
    app: app.app,
    fabricId,
    total: seriesOf(app),
    replicas: isByReplica ? replicas.map(([replica, series]) => ({ replica, metrics: seriesOf(series) })) : [],
  };
}

function seriesOf({ current, points }: Series) {
  const now = sumOfReplicas(current);
  return { current: now && metricPoint(now), points: points.map(metricPoint) };
}

function metricPoint(values: MetricValues): MetricPoint {
  return {
    time: new Date(values.atMs),
    cpuMillicores: values.cpuMillicores ?? Number.NaN,
    memoryUsedBytes: BigInt(values.memoryUsed),
    memoryTotalBytes: BigInt(values.memoryTotal),
    messages: BigInt(values.messages),
    responseTimeMs: values.responseCount === 0 ? Number.NaN : values.responseMsSum / values.responseCount,
    errors: BigInt(values.errors),
    countedSeconds: values.countedMs / 1_000,
  };
}
