import { Command, Option } from "commander";
import { type Alert, alertSchema } from "../api/alert-types.ts";
import { listUpTo } from "../api/paging.ts";
import { type CommandWorld, outputOf, type OutputOptions, withApi } from "../command-context.ts";
import { formatTime } from "../output/format.ts";
import { shortDistance } from "../output/format-instant.ts";
import type { Column } from "../output/table.ts";
import { formatFigure } from "./alert-path.ts";
import { outputOption, wholeNumber } from "./options.ts";

interface ListOptions extends OutputOptions {
  readonly environment?: string;
  readonly rule?: string;
  readonly state?: string;
  readonly limit: number;
}

/** `drawbridge alert list` */
export function alertListCommand(world: CommandWorld): Command {
  return listing("list", "list what is beyond its bound now, in all environments that you may see")
    .addOption(new Option("--state <state>", "only these").choices(["open", "pending", "firing"]).default("open"))
    .action((options: ListOptions) =>
      show(world, options, {
        state: options.state ?? "open",
        columns: openColumns(world),
        empty: "nothing is beyond its bound",
      }),
    );
}

/** `drawbridge alert history` */
export function alertHistoryCommand(world: CommandWorld): Command {
  return listing("history", "list what was beyond its bound and is over, the newest first; kept for 30 days").action(
    (options: ListOptions) =>
      show(world, options, { state: "ended", columns: endedColumns(), empty: "nothing was told in the last 30 days" }),
  );
}

const listing = (verb: string, description: string): Command =>
  new Command(verb)
    .description(description)
    .option("-e, --environment <name>", "only of this environment")
    .option("--rule <rule>", "only of this rule")
    .option("--limit <count>", "how many", wholeNumber(1, 10_000), 100)
    .addOption(outputOption());

async function show(
  world: CommandWorld,
  options: ListOptions,
  what: { readonly state: string; readonly columns: readonly Column<Alert>[]; readonly empty: string },
): Promise<void> {
  const { environment, rule, limit } = options;
  const query = { environment, rule, state: what.state };
  const { items, isCut } = await withApi(world, (api) => listUpTo(api, "/v1/alerts", alertSchema, { query, limit }));
  const output = outputOf(world, options);
  output.list(what.columns, items, { empty: what.empty });
  if (isCut) output.note(`there are more than ${limit}: --limit shows them`);
}

const whatColumns: readonly Column<Alert>[] = [
  { title: "RULE", value: ({ rule }) => rule },
  { title: "ENVIRONMENT", value: ({ environment }) => environment },
  { title: "OF", value: ({ series }) => series ?? "-" },
  { title: "VALUE", value: ({ value }) => formatFigure(value), align: "right" },
  { title: "BOUND", value: ({ figure, bound }) => `${figure} ${bound}` },
];

export const openColumns = (world: Pick<CommandWorld, "clock">): readonly Column<Alert>[] => {
  const now = world.clock.now();
  return [
    { title: "STATE", value: ({ state, silenceId }) => (silenceId === null ? state : `${state}, silenced`) },
    ...whatColumns,
    { title: "SINCE", value: ({ since }) => shortDistance(since, now) },
    { title: "TOLD", value: toldText },
  ];
};

const endedColumns = (): readonly Column<Alert>[] => [
  ...whatColumns,
  { title: "FIRED", value: ({ firedAt }) => formatTime(firedAt) },
  {
    title: "ENDED",
    value: ({ endedAt, state }) => formatTime(endedAt) + (state === "withdrawn" ? ", with its rule" : ""),
  },
  { title: "TOLD", value: toldText },
];

/** "on-call, team (waiting: it answered 500)"; of each receiver the last thing that it is told. */
function toldText({ deliveries }: Alert): string {
  const last = new Map(deliveries.map((delivery) => [delivery.receiver, delivery]));
  const texts = [...last.values()].map(({ receiver, state, problem }) =>
    state === "delivered" ? receiver : `${receiver} (${[state, problem].filter(Boolean).join(": ")})`,
  );
  return texts.join(", ") || "nobody";
}
