import type { Dashboard, Panel } from "@grafana/schema";

/** A question that a dashboard or a rule asks, and where it stands. */
export interface Query {
  readonly place: string;
  readonly language: "promql" | "sql";
  readonly text: string;
}

/** Every question of a dashboard, those of its variables too. */
export function queriesOf(dashboard: Dashboard): readonly Query[] {
  const title = dashboard.title ?? "";
  const panels = (dashboard.panels ?? []).filter((panel): panel is Panel => panel.type !== "row");
  const variables = (dashboard.templating?.list ?? []).map(({ name, query }) => ({
    place: `${title}, variable ${name}`,
    target: typeof query === "string" ? { rawSql: query } : { expr: query?.["query"] },
  }));
  const targets = panels.flatMap((panel) =>
    (panel.targets ?? []).map((target) => ({ place: `${title}, ${panel.title}`, target })),
  );
  return [...variables, ...targets].map(({ place, target }) => {
    const asked: { readonly expr?: unknown; readonly rawSql?: unknown } = target;
    if (typeof asked.rawSql === "string") return { place, language: "sql", text: asked.rawSql };
    if (typeof asked.expr === "string") return { place, language: "promql", text: asked.expr };
    throw new Error(`${place} asks nothing`);
  });
}

/** Names of metrics in PromQL; each one that `__name__=~"a_(b|c)_d"` stands for. */
export function metricNamesIn(promql: string): readonly string[] {
  const patterns = [...promql.matchAll(/__name__=~"([^"]*)"/g)].flatMap(([, pattern = ""]) => alternatives(pattern));
  const plain = promql.replaceAll(/"[^"]*"/g, '""').match(/\bdrawbridge_[a-z0-9_]+/g) ?? [];
  return [...patterns, ...plain];
}

/** "a_(b|c)_d": a_b_d, a_c_d. */
function alternatives(pattern: string): readonly string[] {
  const group = /^([^()|]*)\(([^()]*)\)([^()|]*)$/.exec(pattern);
  if (!group) return [pattern];
  const [, before = "", middle = "", after = ""] = group;
  return middle.split("|").map((one) => before + one + after);
}
