import { Argument, Command } from "commander";
import { type Analytics, type AnalyticsRow, analyticsSchema } from "../api/analytics-types.ts";
import type { Query } from "../api/client.ts";
import { type CommandWorld, outputOf, type OutputOptions, withApi } from "../command-context.ts";
import type { Column } from "../output/table.ts";
import { figureText, titleOf } from "./analytics-names.ts";
import { analyticsPath } from "./analytics-path.ts";
import { noteLimits, sparklineOf } from "./analytics-query.ts";
import { fromOption, sinceDayOption, timeRange, type TimeOptions, timeZoneOption, toOption } from "./analytics-time.ts";
import { conditions } from "./analytics-where.ts";
import { environmentOption, outputOption, wholeNumber } from "./options.ts";

/** What there is a ranking of. */
const rankings = {
  apis: ["api", "apiVersion"],
  applications: ["application"],
  paths: ["api", "resourcePath", "verb"],
  policies: ["violatedPolicy", "api"],
  countries: ["country"],
  browsers: ["browser"],
  clients: ["clientIp"],
} as const satisfies Readonly<Record<string, readonly string[]>>;
type Ranking = keyof typeof rankings;

interface TopOptions extends TimeOptions, OutputOptions {
  readonly environment: string;
  readonly where?: readonly string[];
  readonly limit: number;
}

const trendWidth = 16;
const hourMs = 3_600_000;

export function analyticsTopCommand(world: CommandWorld): Command {
  return new Command("top")
    .description("show which had the most requests, and how those went")
    .addArgument(new Argument("<what>", "of what").choices(Object.keys(rankings)))
    .addOption(environmentOption())
    .addOption(sinceDayOption())
    .addOption(fromOption())
    .addOption(toOption())
    .addOption(timeZoneOption())
    .option("-w, --where <conditions>", "as for query", conditions)
    .option("--limit <count>", "how many", wholeNumber(1, 1_000), 10)
    .addOption(outputOption())
    .addHelpText(
      "after",
      `
"policies" counts requests that a policy refused; "clients" is by address, as far as it is told. TREND is requests over
the time, from its begin to its end.

Examples:
  drawbridge analytics top apis --since 7d
  drawbridge analytics top paths --where api=orders,status=5xx
  drawbridge analytics top clients -e test --limit 20 -o json`,
    )
    .action((what: Ranking, options: TopOptions) => top(world, what, options));
}

async function top(world: CommandWorld, what: Ranking, options: TopOptions): Promise<void> {
  const groupBy = rankings[what];
  const where = [...(options.where ?? []), ...(what === "policies" ? ["violatedPolicy!="] : [])];
  const range = timeRange(options, world.clock.now());
  const path = analyticsPath(options.environment, "", where);
  const common: Query = { ...range, timeZone: options.timeZone, groupBy: groupBy.join(","), limit: options.limit };
  const isForPeople = options.output !== "json";
  const [answer, trends] = await withApi(world, async (api) => {
    const figures = { ...common, measures: "requests,errorRate,latencyP50Ms,latencyP95Ms" };
    const first = await api.call(path, analyticsSchema, { query: figures });
    if (!isForPeople || first.rows.length === 0) return [first, undefined] as const;
    const query = { ...common, measures: "requests", bucket: trendBucket(range) };
    return [first, await api.call(path, analyticsSchema, { query })] as const;
  });
  const output = outputOf(world, options);
  if (!isForPeople) return output.fields([], answer);
  output.list(columnsOf(answer, trends), answer.rows, { empty: "no requests in this time" });
  noteLimits(output, { ...answer, isCut: false });
}

/** At most some hundred bars, which are drawn as a few. */
function trendBucket({ from, to }: { readonly from: string; readonly to: string }): string {
  const hours = (Date.parse(to) - Date.parse(from)) / hourMs;
  if (hours <= 3) return "minute";
  if (hours <= 48) return "quarterHour";
  return hours <= 24 * 14 ? "hour" : "day";
}

function columnsOf(answer: Analytics, trends: Analytics | undefined): readonly Column<AnalyticsRow>[] {
  const keyOf = (row: AnalyticsRow): string => JSON.stringify(answer.groupBy.map((name) => row.group[name]));
  const byGroup = Map.groupBy(trends?.rows ?? [], keyOf);
  return [
    ...answer.groupBy.map((name) => ({ title: titleOf(name), value: (row: AnalyticsRow) => row.group[name] || "-" })),
    ...answer.measures.map((name) => ({
      title: titleOf(name),
      value: (row: AnalyticsRow) => figureText(name, row.values[name]),
      align: "right" as const,
    })),
    {
      title: "TREND",
      value: (row) => sparklineOf(trends?.buckets ?? [], byGroup.get(keyOf(row)) ?? [], "requests", trendWidth),
    },
  ];
}
