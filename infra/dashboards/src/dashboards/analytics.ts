import type { Dashboard } from "@grafana/schema";
import { dashboardOf, type Placeable, sqlLines, sqlTable, sqlVariable } from "../panel.ts";

const chosen = "environment IN (${environment:singlequote}) AND api IN (${api:singlequote})";
const inRange = `$__timeFilter(bucket) AND ${chosen}`;
/** ClickHouse's own widths are at least those of the roll-up. */
const perQuarter = "$__timeInterval(bucket) AS time";
/** Of the steps in which latencies are counted (analytics-ingest/src/query/measures.ts). */
const stepMiddleUs = "reinterpretAsFloat32(toUInt32(bitShiftLeft(toUInt32(latency_step), 18) + 131072))";
const top = 20;

/** Requests of APIs, out of the roll-ups of analytics-ingest in a ClickHouse cluster. */
export function analytics(): Dashboard {
  return dashboardOf({
    uid: "drawbridge-analytics",
    title: "Drawbridge: API analytics (ClickHouse)",
    description:
      "Requests of APIs, where analytics-ingest keeps them in ClickHouse. The embedded store belongs to its process: ask it with `drawbridge analytics`.",
    variables: [
      sqlVariable("environment", "Environment", { query: "SELECT DISTINCT environment FROM api_traffic_15m" }),
      sqlVariable("api", "API", {
        query: "SELECT DISTINCT api FROM api_traffic_15m WHERE environment IN (${environment:singlequote})",
      }),
    ],
    rows: [
      { title: "Traffic", panels: trafficPanels() },
      { title: "Who asks", panels: clientPanels() },
      { title: "What is refused, what is missing", panels: refusedPanels() },
    ],
  });
}

function trafficPanels(): readonly Placeable[] {
  return [
    sqlLines(
      { title: "Requests", description: "By class of the status code.", unit: "short" },
      `SELECT ${perQuarter}, status_class, sum(requests) AS total FROM api_traffic_15m WHERE ${inRange} GROUP BY time, status_class ORDER BY time`,
    ),
    sqlLines(
      {
        title: "Latency",
        description: "Of 50, 95 and 99 in 100 requests, as the client saw it; by half hours at least.",
        unit: "ms",
      },
      `SELECT time, latency[1] / 1000 AS p50, latency[2] / 1000 AS p95, latency[3] / 1000 AS p99 FROM (SELECT ${perQuarter}, quantilesExactWeighted(0.5, 0.95, 0.99)(${stepMiddleUs}, requests) AS latency FROM latency_30m WHERE ${inRange} GROUP BY time) ORDER BY time`,
    ),
    sqlLines(
      { title: "Share of the gateway", description: "Of the time that requests take.", unit: "percentunit" },
      `SELECT ${perQuarter}, 1 - sum(upstream_us_sum) / greatest(sum(latency_us_sum), 1) AS gateway FROM api_traffic_15m WHERE ${inRange} GROUP BY time ORDER BY time`,
    ),
    sqlTable(
      { title: "APIs", description: "Those with the most requests.", unit: "short", width: 12 },
      `SELECT environment, api, api_version, sum(requests) AS total, sumIf(requests, status_class = '5xx') / total AS failed, sum(latency_us_sum) / total / 1000 AS mean_ms FROM api_traffic_15m WHERE ${inRange} GROUP BY environment, api, api_version ORDER BY total DESC LIMIT ${top}`,
    ),
    sqlLines(
      { title: "Bytes", description: "Of bodies.", unit: "bytes", width: 12 },
      `SELECT ${perQuarter}, sum(request_bytes_sum) AS requests, sum(response_bytes_sum) AS answers FROM api_traffic_15m WHERE ${inRange} GROUP BY time ORDER BY time`,
    ),
  ];
}

function clientPanels(): readonly Placeable[] {
  return [
    sqlTable(
      {
        title: "Applications",
        description: "Client applications by requests; empty: none was identified.",
        unit: "short",
      },
      `SELECT application, sum(requests) AS total FROM application_traffic_1h WHERE ${inRange} GROUP BY application ORDER BY total DESC LIMIT ${top}`,
    ),
    sqlTable(
      { title: "Countries", description: "As far as the environment's settings allow.", unit: "short" },
      `SELECT country, sum(requests) AS total FROM geography_traffic_1h WHERE ${inRange} GROUP BY country ORDER BY total DESC LIMIT ${top}`,
    ),
    sqlTable(
      { title: "Browsers and systems", description: "As far as the environment's settings allow.", unit: "short" },
      `SELECT browser, os_family, sum(requests) AS total FROM user_agent_traffic_1h WHERE ${inRange} GROUP BY browser, os_family ORDER BY total DESC LIMIT ${top}`,
    ),
  ];
}

function refusedPanels(): readonly Placeable[] {
  return [
    sqlLines(
      { title: "Violated policies", description: "Requests that a policy refused.", unit: "short" },
      `SELECT ${perQuarter}, violated_policy, sum(requests) AS total FROM api_traffic_15m WHERE ${inRange} AND violated_policy != '' GROUP BY time, violated_policy ORDER BY time`,
    ),
    sqlTable(
      { title: "Paths that fail", description: "Of the last requests that are kept one by one.", unit: "short" },
      `SELECT api, verb, resource_path, status_code, sum(weight) AS total FROM requests WHERE $__timeFilter(ts) AND ${chosen} AND status_code >= 400 GROUP BY api, verb, resource_path, status_code ORDER BY total DESC LIMIT ${top}`,
    ),
    sqlTable(
      {
        title: "Requests that gateways could not keep",
        description:
          "They were counted and are in no other panel: a spool that was full, a gateway that was overloaded.",
        unit: "short",
      },
      "SELECT fabric_id, gateway, sum(requests) AS missing, min(from_ts) AS first, max(to_ts) AS last FROM request_gaps FINAL WHERE $__timeFilter(received_at) GROUP BY fabric_id, gateway ORDER BY missing DESC LIMIT 20",
    ),
  ];
}
