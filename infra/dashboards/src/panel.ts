import {
  type Dashboard,
  FieldColorModeId,
  type Panel,
  ThresholdsMode,
  type VariableModel,
  VariableRefresh,
  VariableSort,
} from "@grafana/schema";

/** What the provisioned data sources are called in the dashboards. */
export const prometheus = { type: "prometheus", uid: "drawbridge-prometheus" } as const;
export const clickHouse = { type: "grafana-clickhouse-datasource", uid: "drawbridge-clickhouse" } as const;
/** Of monitoring-ingest: a database of its own. */
export const clickHouseApps = { type: "grafana-clickhouse-datasource", uid: "drawbridge-clickhouse-apps" } as const;
export const dataSources = [prometheus, clickHouse, clickHouseApps] as const;
type DataSource = (typeof dataSources)[number];
type SqlSource = typeof clickHouse | typeof clickHouseApps;

/** A question to Prometheus. */
export interface PromTarget {
  /** PromQL. */
  readonly expr: string;
  /** "{{job}}"; without it the labels are shown. */
  readonly legend?: string;
}

export interface PanelSpec {
  readonly title: string;
  /** What it tells, and what to do when it is not as it should be. */
  readonly description: string;
  /** Of Grafana: "s", "reqps", "bytes", "short", "percentunit". */
  readonly unit: string;
  /** Of the 24 columns; default 8. */
  readonly width?: number;
  /** From which value on it is coloured; without it nothing is. */
  readonly warnFrom?: number;
}

/** A panel that still has no place. */
export type Placeable = (place: { readonly id: number; readonly x: number; readonly y: number }) => Panel;

const height = 8;
const columns = 24;

/** Lines over time. */
export function lines(spec: PanelSpec, ...targets: readonly PromTarget[]): Placeable {
  return panelOf(spec, { type: "timeseries", source: prometheus, targets: targets.map(promTarget) });
}

/** One figure, the newest. */
export function figure(spec: PanelSpec, ...targets: readonly PromTarget[]): Placeable {
  return panelOf(spec, { type: "stat", source: prometheus, targets: targets.map(promTarget) });
}

/** Lines over time out of ClickHouse: the first column is `time`. */
export function sqlLines(spec: PanelSpec, rawSql: string, source: SqlSource = clickHouse): Placeable {
  return panelOf(spec, { type: "timeseries", source, targets: [sqlTarget(rawSql, "timeseries")] });
}

/** Rows out of ClickHouse. */
export function sqlTable(spec: PanelSpec, rawSql: string): Placeable {
  return panelOf(spec, { type: "table", source: clickHouse, targets: [sqlTarget(rawSql, "table")] });
}

function panelOf(
  { title, description, unit, width = 8, warnFrom }: PanelSpec,
  kind: { readonly type: string; readonly source: DataSource; readonly targets: Panel["targets"] },
): Placeable {
  const steps = [
    { value: null, color: "green" },
    ...(warnFrom === undefined ? [] : [{ value: warnFrom, color: "red" }]),
  ];
  return ({ id, x, y }) => ({
    id,
    type: kind.type,
    title,
    description,
    datasource: kind.source,
    gridPos: { h: height, w: width, x, y },
    targets: (kind.targets ?? []).map((target, place) =>
      Object.assign({ refId: String.fromCharCode(65 + place), datasource: kind.source }, target),
    ),
    fieldConfig: {
      defaults: {
        unit,
        ...(warnFrom === undefined
          ? {}
          : { color: { mode: kind.type === "stat" ? FieldColorModeId.Thresholds : FieldColorModeId.PaletteClassic } }),
        thresholds: { mode: ThresholdsMode.Absolute, steps },
      },
      overrides: [],
    },
    options: kind.type === "stat" ? { reduceOptions: { calcs: ["lastNotNull"] } } : {},
  });
}

const promTarget = ({ expr, legend }: PromTarget) => ({
  expr,
  range: true,
  ...(legend === undefined ? {} : { legendFormat: legend }),
});

/** As the plugin has it since version 4: what kind of answer is wanted, by name and by number. */
function sqlTarget(rawSql: string, queryType: "timeseries" | "table") {
  return { rawSql, queryType, editorType: "sql", format: queryType === "timeseries" ? 0 : 1 };
}

export interface DashboardSpec {
  /** Its address in Grafana, for ever. */
  readonly uid: string;
  readonly title: string;
  readonly description: string;
  readonly variables: readonly VariableModel[];
  /** A title above some panels. */
  readonly rows: readonly { readonly title: string; readonly panels: readonly Placeable[] }[];
}

/** Panels from left to right, as many as fit beside each other. */
export function dashboardOf({ uid, title, description, variables, rows }: DashboardSpec): Dashboard {
  const panels: NonNullable<Dashboard["panels"]> = [];
  let y = 0;
  for (const row of rows) {
    panels.push({
      id: panels.length + 1,
      type: "row",
      title: row.title,
      collapsed: false,
      gridPos: { h: 1, w: columns, x: 0, y },
      panels: [],
    });
    y += 1;
    let x = 0;
    for (const place of row.panels) {
      const id = panels.length + 1;
      const width = place({ id, x, y }).gridPos?.w ?? columns;
      if (x + width > columns) {
        x = 0;
        y += height;
      }
      panels.push(place({ id, x, y }));
      x += width;
    }
    y += height;
  }
  return {
    uid,
    title,
    description,
    tags: ["drawbridge"],
    schemaVersion,
    editable: false,
    timezone: "browser",
    time: { from: "now-6h", to: "now" },
    refresh: "1m",
    templating: { list: [...variables] },
    panels,
  };
}

/** Of Grafana 11; later ones take it and bring it up to theirs when they load it. */
const schemaVersion = 39;

/** A variable whose values Prometheus knows. */
export function promVariable(name: string, label: string, query: string): VariableModel {
  return {
    ...anyOrSome(name, label),
    datasource: prometheus,
    query: { qryType: 1, query, refId: `variable-${name}` },
  };
}

/** A variable whose values ClickHouse knows. */
export function sqlVariable(
  name: string,
  label: string,
  { query, source = clickHouse }: { readonly query: string; readonly source?: SqlSource },
): VariableModel {
  return { ...anyOrSome(name, label), datasource: source, query };
}

function anyOrSome(name: string, label: string): VariableModel {
  return {
    name,
    label,
    type: "query",
    multi: true,
    includeAll: true,
    refresh: VariableRefresh.onTimeRangeChanged,
    sort: VariableSort.alphabeticalAsc,
    current: { selected: true, text: ["All"], value: ["$__all"] },
    options: [],
  };
}
