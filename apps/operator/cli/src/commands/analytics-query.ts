import { Command, Option } from "commander";
import { type Analytics, type AnalyticsRow, analyticsSchema } from "../api/analytics-types.ts";
import { type CommandWorld, withApi } from "../command-context.ts";
import { csvText } from "../output/csv.ts";
import { formatTime } from "../output/format.ts";
import { formatBucket } from "../output/format-bucket.ts";
import { plainText } from "../output/plain-text.ts";
import { createOutput, type Output } from "../output/output.ts";
import { sparkline } from "../output/sparkline.ts";
import type { Column } from "../output/table.ts";
import {
  dimensionName,
  dimensionWords,
  figureText,
  measureName,
  measureWords,
  titleOf,
  widthName,
  widthWords,
} from "./analytics-names.ts";
import { analyticsPath } from "./analytics-path.ts";
import { fromOption, sinceDayOption, timeRange, type TimeOptions, timeZoneOption, toOption } from "./analytics-time.ts";
import { conditions } from "./analytics-where.ts";
import { commaSeparated, environmentOption, wholeNumber } from "./options.ts";

interface QueryOptions extends TimeOptions {
  readonly environment: string;
  readonly by?: string;
  readonly group?: readonly string[];
  readonly measure?: readonly string[];
  readonly where?: readonly string[];
  readonly limit?: number;
  readonly output: "table" | "json" | "csv";
}

const lineWidth = 48;

export function analyticsQueryCommand(world: CommandWorld): Command {
  return new Command("query")
    .description("ask for figures over requests, by date and by what they have in common")
    .addOption(environmentOption())
    .addOption(sinceDayOption())
    .addOption(fromOption())
    .addOption(toOption())
    .addOption(timeZoneOption())
    .addOption(new Option("--by <width>", `by date: ${widthWords.join(", ")}`).argParser(widthName))
    .option(
      "-g, --group <dimensions>",
      "by dimension, at most four with commas between; below is the list",
      names(dimensionName),
    )
    .option(
      "-m, --measure <measures>",
      "what to tell, at most eight with commas between (default: requests)",
      names(measureName),
    )
    .option(
      "-w, --where <conditions>",
      "dimension=value or dimension!=value; | between values, commas between conditions",
      conditions,
    )
    .option("--limit <groups>", "groups with the largest first measure (default: 1000)", wholeNumber(1, 10_000))
    .addOption(new Option("-o, --output <format>", "how to print").choices(["table", "json", "csv"]).default("table"))
    .addHelpText(
      "after",
      `
Dimensions: ${dimensionWords.join(", ")}
Measures:   ${measureWords.join(", ")}

A request that was not asked of an app counts as none of its time, so that app-time and gateway-time make up the mean.
Nothing after "=" is what was not told: application= are requests without a client application.

Examples:
  drawbridge analytics query --since 7d --by day
  drawbridge analytics query --group api,status --measure requests,p95 --where status=5xx,application!=shop
  drawbridge analytics query --from 2026-03-01 --to 2026-04-01 --by week --time-zone Europe/Berlin -o csv`,
    )
    .action((options: QueryOptions) => query(world, options));
}

async function query(world: CommandWorld, options: QueryOptions): Promise<void> {
  const answer = await withApi(world, (api) =>
    api.call(analyticsPath(options.environment, "", options.where), analyticsSchema, {
      query: {
        ...timeRange(options, world.clock.now()),
        timeZone: options.timeZone,
        bucket: options.by,
        groupBy: options.group?.join(","),
        measures: options.measure?.join(","),
        limit: options.limit,
      },
    }),
  );
  if (options.output === "csv") return void world.stdout.write(csvOf(answer));
  const output = createOutput(options.output, world.stdout, world.stderr);
  if (options.output === "json") return output.fields([], answer);
  output.list(columnsOf(answer), answer.rows, { empty: "no requests in this time" });
  for (const line of linesOf(answer)) output.text(line);
  noteLimits(output, answer);
}

/** What a table does not say of itself. */
export function noteLimits(
  output: Output,
  { isCut, missingRequests, from, keptSince, timeZone }: Omit<Analytics, "rows">,
): void {
  if (isCut) output.note("there are more groups: --limit shows more of them");
  if (from < keptSince) output.note(`what came before ${formatTime(keptSince, timeZone)} is not kept any more`);
  if (missingRequests > 0)
    output.note(
      `up to ${missingRequests.toLocaleString("en")} more requests of this time are known to be missing: drawbridge analytics intake`,
    );
}

function columnsOf({ bucket, timeZone, groupBy, measures }: Analytics): readonly Column<AnalyticsRow>[] {
  return [
    ...(bucket === null || bucket === undefined
      ? []
      : [
          {
            title: `${bucket.toUpperCase()} (${timeZone})`,
            value: (row: AnalyticsRow) => formatBucket(row.bucket ?? "", bucket, timeZone),
          },
        ]),
    ...groupBy.map((name) => ({ title: titleOf(name), value: (row: AnalyticsRow) => row.group[name] || "-" })),
    ...measures.map((name) => ({
      title: titleOf(name),
      value: (row: AnalyticsRow) => figureText(name, row.values[name]),
      align: "right" as const,
    })),
  ];
}

/** The first measure over time, a line a group; a few of them, where there is a time to see. */
function linesOf({ buckets, rows, groupBy, measures }: Analytics): readonly string[] {
  const [first] = measures;
  if (buckets.length < 2 || first === undefined || rows.length === 0) return [];
  const lines = [...Map.groupBy(rows, (row) => groupBy.map((name) => plainText(row.group[name] || "-")).join(" "))]
    .slice(0, 10)
    .map(([name, members]) => [name, sparklineOf(buckets, members, first)] as const);
  const width = Math.max(...lines.map(([name]) => name.length));
  return ["", ...lines.map(([name, line]) => `${name.padEnd(width)}${width === 0 ? "" : "  "}${line}`)];
}

/** A bucket without a row had no requests: counts are nothing there, other figures are not known. */
export function sparklineOf(
  buckets: readonly string[],
  rows: readonly AnalyticsRow[],
  measure: string,
  width = lineWidth,
): string {
  const byBucket = new Map(rows.map((row) => [row.bucket, row.values[measure] ?? null]));
  const nothing = /Ms$|Rate$/.test(measure) ? null : 0;
  return sparkline(
    buckets.map((begin) => byBucket.get(begin) ?? nothing),
    width,
  );
}

function csvOf({ bucket, groupBy, measures, rows }: Analytics): string {
  const isByDate = bucket !== null && bucket !== undefined;
  return csvText([
    [...(isByDate ? ["bucket"] : []), ...groupBy, ...measures],
    ...rows.map((row) => [
      ...(isByDate ? [row.bucket ?? ""] : []),
      ...groupBy.map((name) => row.group[name] ?? ""),
      ...measures.map((name) => row.values[name] ?? null),
    ]),
  ]);
}

function names(
  nameOf: (word: string) => string,
): (text: string, previous: readonly string[] | undefined) => readonly string[] {
  return (text, previous) => [...(previous ?? []), ...commaSeparated(text, undefined).map(nameOf)];
}
