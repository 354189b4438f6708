import type { Dashboard } from "@grafana/schema";
import { clickHouseApps, dashboardOf, type PanelSpec, type Placeable, sqlLines, sqlVariable } from "../panel.ts";

const chosen = "$__timeFilter(ts) AND environment IN (${environment:singlequote}) AND app IN (${app:singlequote})";
/** Over the replicas of an app, in each step. */
const perApp = (spec: PanelSpec, value: string): Placeable =>
  sqlLines(
    spec,
    `SELECT time, app, ${value} FROM (SELECT $__timeInterval(ts) AS time, app, fabric_id, replica, sum(cpu_millicores_sum) / greatest(sum(cpu_samples), 1) AS cpu, sum(memory_used_sum) / greatest(sum(memory_samples), 1) AS used, max(memory_total) AS total, sum(messages) AS count, sum(response_ms_sum) AS response_ms, sum(response_count) AS responses, sum(errors) AS failed FROM app_metrics_5m WHERE ${chosen} GROUP BY time, app, fabric_id, replica) GROUP BY time, app ORDER BY time`,
    clickHouseApps,
  );

/** The six figures of MON, out of the roll-up of monitoring-ingest in a ClickHouse cluster. */
export function apps(): Dashboard {
  return dashboardOf({
    uid: "drawbridge-apps",
    title: "Drawbridge: apps (ClickHouse)",
    description:
      "CPU, memory and messages of apps, where monitoring-ingest keeps them in ClickHouse. The embedded store belongs to its process: ask it with `drawbridge monitor show`.",
    variables: [
      sqlVariable("environment", "Environment", {
        query: "SELECT DISTINCT environment FROM app_metrics_5m",
        source: clickHouseApps,
      }),
      sqlVariable("app", "App", {
        query: "SELECT DISTINCT app FROM app_metrics_5m WHERE environment IN (${environment:singlequote})",
        source: clickHouseApps,
      }),
    ],
    rows: [
      {
        title: "All replicas of an app together",
        panels: [
          perApp({ title: "CPU", description: "Thousandths of a core.", unit: "short" }, "sum(cpu) AS millicores"),
          perApp({ title: "Memory", description: "In use.", unit: "bytes" }, "sum(used) AS bytes"),
          perApp(
            {
              title: "Memory, of what they may use",
              description: "Without those that have no limit.",
              unit: "percentunit",
            },
            "sumIf(used, total > 0) / greatest(sumIf(total, total > 0), 1) AS share",
          ),
          perApp({ title: "Messages", description: "In each step.", unit: "short" }, "sum(count) AS messages"),
          perApp(
            { title: "Response time", description: "Mean.", unit: "ms" },
            "sum(response_ms) / greatest(sum(responses), 1) AS mean_ms",
          ),
          perApp({ title: "Errors", description: "In each step.", unit: "short" }, "sum(failed) AS errors"),
        ],
      },
    ],
  });
}
