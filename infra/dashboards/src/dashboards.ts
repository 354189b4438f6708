import type { Dashboard } from "@grafana/schema";
import { analytics } from "./dashboards/analytics.ts";
import { apps } from "./dashboards/apps.ts";
import { controlPlane } from "./dashboards/control-plane.ts";
import { fabrics } from "./dashboards/fabrics.ts";
import { gateways } from "./dashboards/gateways.ts";

/** By the name of their file, with what is in it. */
export function allDashboards(): ReadonlyMap<string, Dashboard> {
  return new Map([
    ["control-plane.json", controlPlane()],
    ["gateways.json", gateways()],
    ["fabrics.json", fabrics()],
    ["analytics.json", analytics()],
    ["apps.json", apps()],
  ]);
}

export function textOf(dashboard: Dashboard): string {
  return `${JSON.stringify(dashboard, undefined, 2)}\n`;
}
