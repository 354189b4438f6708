import { Readable } from "node:stream";
import { z } from "zod";
import { appMetricsToJson } from "../adapters/metrics-json.ts";
import { metricsText, openMetricsType } from "../adapters/metrics-text.ts";
import { appMetrics } from "../app-metrics.ts";
import type { ErrorCode } from "../error-catalogue.ts";
import { defineRoute, type Route } from "../route.ts";
import { environmentName, fabricRef, flag, wholeNumber } from "../schemas/common.ts";
import { ownMetrics } from "../own-metrics.ts";
import { metricsSchema } from "../schemas/metrics.ts";
import { ownMetricsSchema } from "../schemas/own-metrics.ts";
import type { RouteServices } from "../services.ts";
import { appParams } from "./app-routes.ts";

const environmentParams = z.strictObject({ environment: environmentName });
const viewer = { scope: "environment", role: "viewer" } as const;
const errors = [
  "ENVIRONMENT_NOT_FOUND",
  "FABRIC_NOT_FOUND",
  "MONITORING_NOT_INSTALLED",
  "MONITORING_QUERY_INVALID",
  "COLUMNAR_QUERY_TIMEOUT",
  "COLUMNAR_QUERY_LIMIT",
  "COLUMNAR_OVERLOADED",
  "COLUMNAR_UNAVAILABLE",
  "PEER_UNAVAILABLE",
] as const satisfies readonly ErrorCode[];

const time = (what: string) =>
  z.iso.datetime({ offset: true, error: "must be an RFC 3339 time with its zone" }).meta({ description: what });

const rangeQuery = z.strictObject({
  fabric: fabricRef.optional(),
  from: time("From this time on; an hour before `to` if it is not given.").optional(),
  to: time("Before this time; now if it is not given.").optional(),
  step: wholeNumber(
    0,
    86_400,
    "Seconds of a point: 10 to 86,400, from 300 on a multiple of 300; 0 is a sixtieth of the time. Below 300 it goes back 30 days, else 13 months.",
  ).default(0),
  replicas: flag("Replicas one by one too."),
});
const ownQuery = rangeQuery.omit({ replicas: true }).extend({
  metric: z.string().max(100).optional().meta({ description: "Only this metric; all if it is not given." }),
});
const body = { 200: { description: "Metrics.", body: metricsSchema } } as const;

/** What apps use and do (MON). */
export function metricsRoutes(services: RouteServices): readonly Route[] {
  const show = async (
    of: { readonly environment: string; readonly app: string },
    query: z.output<typeof rangeQuery>,
    as: Parameters<typeof appMetrics>[2],
  ) => {
    const asked = {
      ...of,
      fabric: query.fabric,
      from: instant(query.from),
      to: instant(query.to),
      stepSeconds: query.step,
      byReplica: query.replicas,
    };
    const found = await appMetrics(services, asked, as);
    const items = found.map(({ app, fabric }) => appMetricsToJson(app, fabric));
    return { status: 200, body: { items, askedAt: services.clock.now().toISOString() } } as const;
  };
  return [
    defineRoute({
      method: "GET",
      path: "/v1/environments/{environment}/metrics",
      action: "metrics.list",
      summary: "Show what the apps of an environment use and do",
      description:
        "Now and, unless times are given, in the past hour; only what fabrics tell that run the environment.",
      permission: viewer,
      params: environmentParams,
      query: rangeQuery,
      responses: body,
      errors,
      handle: ({ params, query, caller, signal }) =>
        show({ environment: params.environment, app: "" }, query, { caller, signal }),
    }),
    defineRoute({
      method: "GET",
      path: "/v1/environments/{environment}/apps/{name}/metrics",
      action: "metrics.show",
      summary: "Show what an app uses and does",
      description: "Nothing measured is an empty list, also for an app that is not there any more.",
      permission: viewer,
      params: appParams,
      query: rangeQuery,
      responses: body,
      errors,
      handle: ({ params, query, caller, signal }) =>
        show({ environment: params.environment, app: params.name }, query, { caller, signal }),
    }),
    defineRoute({
      method: "GET",
      path: "/v1/environments/{environment}/apps/{name}/own-metrics",
      action: "metrics.own",
      summary: "Show what an app tells of itself",
      description: "Metrics of the endpoint that the app's manifest names, of all replicas together; kept for 30 days.",
      permission: viewer,
      params: appParams,
      query: ownQuery,
      responses: { 200: { description: "Metrics.", body: ownMetricsSchema } },
      errors,
      handle: async ({ params, query, caller, signal }) => {
        const { fabric, step: stepSeconds, metric = "" } = query;
        const range = { from: instant(query.from), to: instant(query.to), stepSeconds };
        const asked = { environment: params.environment, app: params.name, fabric, metric, ...range };
        const items = await ownMetrics(services, asked, { caller, signal });
        return { status: 200, body: { items, askedAt: services.clock.now().toISOString() } } as const;
      },
    }),
    defineRoute({
      method: "GET",
      path: "/v1/environments/{environment}/metrics/prometheus",
      action: "metrics.scrape",
      summary: "Show the current values of every replica as OpenMetrics",
      description: "For Prometheus, with an API token as its bearer token.",
      permission: viewer,
      params: environmentParams,
      responses: { 200: { description: "Gauges by environment, app, fabric and replica.", file: [openMetricsType] } },
      errors,
      handle: async ({ params, caller, signal }) => {
        // Only what is current is shown: of the past a minute is asked, which is the least.
        const from = new Date(services.clock.now().getTime() - 60_000);
        const asked = { environment: params.environment, app: "", from, stepSeconds: 60, byReplica: true };
        const found = await appMetrics(services, asked, { caller, signal });
        return { status: 200, mediaType: openMetricsType, stream: Readable.from([metricsText(found)]) } as const;
      },
    }),
  ];
}

function instant(text: string | undefined): Date | undefined {
  return text === undefined ? undefined : new Date(text);
}
