import { readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { startTelemetry } from "@drawbridge/telemetry";
import type { Dashboard, Panel } from "@grafana/schema";
import { describe, expect, test } from "vitest";
import { parse, parseAllDocuments } from "yaml";
import { allDashboards } from "./dashboards.ts";
import { controlPlaneServices } from "./dashboards/control-plane.ts";
import { type InstrumentKind, readInstruments } from "./exposed-metrics.ts";
import { dataSources } from "./panel.ts";
import { metricNamesIn, queriesOf } from "./queries.ts";

const home = join(import.meta.dirname, "..");
const instruments = readInstruments(join(home, "../.."));
const dashboards = [...allDashboards()];
const fileOf = (name: string): string => readFileSync(join(home, name), "utf8");

/** What Prometheus reads when a service exposes these instruments: its own registry says it. */
async function exposedNames(service: string, made: ReadonlyMap<string, InstrumentKind>): Promise<readonly string[]> {
  const ignore = () => undefined;
  const logger = { info: ignore, warn: ignore, error: ignore, debug: ignore, child: () => logger } as never; // unused
  const telemetry = startTelemetry({ service, replica: "r-0", logger });
  const { metrics } = telemetry;
  const about = { description: "" };
  for (const [name, kind] of made) {
    if (kind === "counter") metrics.counter(name, about).add(1);
    else if (kind === "histogram") metrics.histogram(name, about).record(1);
    else metrics.gauge(name, about, () => 1);
  }
  const text = await telemetry.metricsText();
  await telemetry.stop(AbortSignal.timeout(5_000));
  return [...text.matchAll(/^(drawbridge_[a-z0-9_]+)[{ ]/gm)].flatMap(([, name]) => name ?? []);
}

const exposed = new Set(
  (await Promise.all([...instruments].map(([service, made]) => exposedNames(service, made)))).flat(),
);

interface Rule {
  readonly alert: string;
  readonly expr: string;
  readonly for?: string;
  readonly labels: { readonly severity: string };
  readonly annotations: { readonly summary: string; readonly description: string };
}
const ruleGroups = (parse(fileOf("prometheus/rules.yml")) as { groups: { name: string; rules: Rule[] }[] }).groups;
const rules = ruleGroups.flatMap((group) => group.rules);

test("programs are read as far as their instruments", () => {
  expect([...instruments.keys()]).toEqual(expect.arrayContaining([...controlPlaneServices, "agent"]));
  expect(instruments.get("cert-authority")?.get("issuing_ca_not_after_seconds")).toBe("gauge");
  expect(instruments.get("management-api")?.has("outbox_oldest_age_seconds")).toBe(false);
  expect(exposed).toContain("drawbridge_api_manager_requests_total");
  expect(exposed).toContain("drawbridge_api_manager_request_duration_seconds_bucket");
  expect(exposed).not.toContain("drawbridge_api_manager_requests");
});

test.each([
  [`rate(drawbridge_a_b_total{x="drawbridge_not"}[5m])`, ["drawbridge_a_b_total"]],
  [`{__name__=~"drawbridge_(a|b)_c", job="x"}`, ["drawbridge_a_c", "drawbridge_b_c"]],
])("%s names %j", (promql, names) => {
  expect(metricNamesIn(promql)).toEqual(names);
});

const questions = dashboards.flatMap(([, dashboard]) => queriesOf(dashboard));
test.each(
  [
    ...questions.filter(({ language }) => language === "promql"),
    ...rules.map(({ alert, expr }) => ({ place: `rule ${alert}`, text: expr })),
  ].map(({ place, text }) => [place, text]),
)("%s asks for metrics that services expose", (_place, promql) => {
  const names = metricNamesIn(promql);
  const others = promql.includes("up{") ? ["up"] : [];
  expect([...names, ...others]).not.toEqual([]);
  expect(names.filter((name) => !exposed.has(name))).toEqual([]);
});

describe.each(dashboards)("%s", (file, dashboard) => {
  const panels = (dashboard.panels ?? []).filter((panel): panel is Panel => panel.type !== "row");

  test("is the file that Grafana reads; if not: node src/write-dashboards.ts && oxfmt grafana", () => {
    expect(JSON.parse(fileOf(`grafana/dashboards/${file}`))).toEqual(JSON.parse(JSON.stringify(dashboard)));
  });

  test("has panels with ids of their own, none over another, all within Grafana's 24 columns", () => {
    const all = dashboard.panels ?? [];
    expect(new Set(all.map(({ id }) => id)).size).toBe(all.length);
    const cells = all.flatMap(({ gridPos }) => {
      const { x, y, w, h } = gridPos ?? { x: 0, y: 0, w: 0, h: 0 };
      expect(x + w).toBeLessThanOrEqual(24);
      return Array.from({ length: w * h }, (_, cell) => `${x + (cell % w)},${y + Math.floor(cell / w)}`);
    });
    expect(cells.length).toBeGreaterThan(0);
    expect(new Set(cells).size).toBe(cells.length);
  });

  test("asks data sources that are provisioned, and says of each panel what it tells", () => {
    const { datasources } = parse(fileOf("grafana/provisioning/datasources/drawbridge.yaml"));
    const provisioned = datasources.map(({ type, uid }: { type: string; uid: string }) => ({ type, uid }));
    expect(provisioned).toEqual(dataSources);
    for (const { title, description, datasource, targets } of panels) {
      expect(provisioned).toContainEqual(datasource);
      expect(`${title} ${description}`).toMatch(/^\S.+ \S/);
      for (const target of targets ?? []) expect(target["datasource"]).toEqual(datasource);
    }
  });

  test("uses the variables that it has, and has none that it does not use", () => {
    const text = JSON.stringify(dashboard);
    const own = (dashboard.templating?.list ?? []).map(({ name }) => name);
    const ofGrafana = /^(__|all$)/;
    const used = [...text.matchAll(/\$\{?(\w+)/g)].map(([, name = ""]) => name).filter((name) => !ofGrafana.test(name));
    expect([...new Set(used)].toSorted()).toEqual(own.toSorted());
  });
});

test("each dashboard has an address of its own, and no file is left over", () => {
  const uids = dashboards.map(([, { uid }]: readonly [string, Dashboard]) => uid);
  expect(new Set(uids).size).toBe(uids.length);
  expect(readdirSync(join(home, "grafana/dashboards")).toSorted()).toEqual(dashboards.map(([file]) => file).toSorted());
});

test("every service of the control plane is a job of its own, on its ops port (docs/architecture.md)", () => {
  const { scrape_configs: jobs } = parse(fileOf("prometheus/control-plane.yml")) as {
    scrape_configs: { job_name: string; static_configs: { targets: string[] }[] }[];
  };
  expect(jobs.map((job) => job.job_name).toSorted()).toEqual(controlPlaneServices.toSorted());
  for (const { job_name: service, static_configs: targets } of jobs) {
    const config = readFileSync(join(home, "../../apps/control-plane", service, "README.md"), "utf8");
    const address = /`DRAWBRIDGE_OPS_LISTEN`\s*\| (\S+)/.exec(config)?.[1];
    expect(targets, service).toEqual([{ targets: [address] }]);
  }
});

test("every file for Grafana and Prometheus is YAML without errors", () => {
  const files = ["grafana/provisioning/datasources", "grafana/provisioning/dashboards", "prometheus"].flatMap(
    (folder) => readdirSync(join(home, folder)).map((file) => `${folder}/${file}`),
  );
  expect(files).toHaveLength(5);
  for (const file of files) {
    for (const document of parseAllDocuments(fileOf(file))) expect("errors" in document && document.errors).toEqual([]);
  }
});

test("every rule says for how long, how bad it is, and what to do", () => {
  const names = rules.map(({ alert }) => alert);
  expect(new Set(names).size).toBe(names.length);
  for (const { alert, for: duration, labels, annotations } of rules) {
    expect(duration ?? "at once", alert).toMatch(/^(\d+[smhd]|at once)$/);
    expect(["page", "ticket"], alert).toContain(labels.severity);
    expect(annotations.summary, alert).toMatch(/\S/);
    expect(annotations.description, alert).toMatch(/\S/);
  }
});
