import type { Figure } from "../bench-result.ts";
import type { Operator } from "../enforcement/operator.ts";

/** Questions of a dashboard. */
const panels: readonly { readonly name: string; readonly query: string }[] = [
  { name: "by hour and status", query: "bucket=hour&measures=requests,serverErrors" },
  { name: "percentiles", query: "bucket=hour&measures=latencyP50Ms,latencyP95Ms,latencyP99Ms" },
  { name: "top APIs", query: "groupBy=api&measures=requests,errorRate,latencyP95Ms&limit=10" },
  { name: "top applications", query: "groupBy=application&measures=requests&limit=10" },
];
/** What no roll-up has. */
const panelsOfRequests: typeof panels = [
  { name: "slowest paths", query: "groupBy=resourcePath&measures=latencyP95Ms&limit=10" },
  { name: "unique clients", query: "measures=uniqueClients" },
];
const repetitions = 20;
const firstGoalMs = 250;
const rolledUpGoalMs = 150;

/** Over requests of the last minutes, which are read one by one: no roll-up has whole quarters of an hour of them. */
export async function measurePanels(operator: Operator): Promise<Readonly<Record<string, Figure>>> {
  const figures: Record<string, Figure> = {};
  const fromMs = Date.now() - 6 * 3_600_000;
  for (const { name, query } of [...panels, ...panelsOfRequests]) {
    const { firstMs, p95Ms } = await ask(operator, query, { fromMs, toMs: undefined });
    figures[`panel: ${name}`] = figureOf(firstMs, "ms, asked first", firstGoalMs);
    figures[`panel: ${name}, again`] = { ...figureOf(p95Ms, "ms, p95", firstGoalMs), goal: null, reached: null };
  }
  return figures;
}

/** Over whole days, which roll-ups have. */
export async function measureHistoryPanels(
  operator: Operator,
  times: { readonly fromMs: number; readonly toMs: number },
): Promise<Readonly<Record<string, Figure>>> {
  const figures: Record<string, Figure> = {};
  for (const { name, query } of panels) {
    const { p95Ms } = await ask(operator, query, times);
    figures[`panel over days: ${name}`] = figureOf(p95Ms, "ms, p95", rolledUpGoalMs);
  }
  return figures;
}

async function ask(
  operator: Operator,
  query: string,
  { fromMs, toMs }: { readonly fromMs: number; readonly toMs: number | undefined },
): Promise<{ readonly firstMs: number; readonly p95Ms: number }> {
  const times = `from=${new Date(fromMs).toISOString()}${toMs === undefined ? "" : `&to=${new Date(toMs).toISOString()}`}`;
  const timesMs: number[] = [];
  for (let repetition = 0; repetition < repetitions; repetition += 1) {
    const beganMs = performance.now();
    await operator.ask("GET", `/v1/environments/production/analytics?${times}&${query}`);
    timesMs.push(performance.now() - beganMs);
  }
  const p95Ms = timesMs.toSorted((one, other) => one - other)[Math.floor(repetitions * 0.95)] ?? 0;
  return { firstMs: timesMs[0] ?? 0, p95Ms };
}

function figureOf(ms: number, unit: string, goal: number): Figure {
  return { value: Number(ms.toFixed(1)), unit, goal, reached: ms <= goal };
}
