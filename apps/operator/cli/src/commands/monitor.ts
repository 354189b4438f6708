import { Command, Option } from "commander";
import type { z } from "zod";
import type { ApiClient } from "../api/client.ts";
import { metricsSchema, type MetricsAnswer } from "../api/metrics-types.ts";
import { ownMetricsSchema } from "../api/own-metrics-types.ts";
import { type CommandWorld, outputOf, withApi } from "../command-context.ts";
import { formatDuration, formatTime } from "../output/format.ts";
import { metricsColumns, metricsRows } from "../output/metrics-rows.ts";
import type { Output } from "../output/output.ts";
import { ownMetricsColumns } from "../output/own-metrics-columns.ts";
import { appPath } from "./app-path.ts";
import { environmentOption, outputOption } from "./options.ts";
import { sinceOption } from "./since-option.ts";

interface ShowOptions {
  readonly environment: string;
  readonly fabric?: string;
  /** Milliseconds. */
  readonly since: number;
  readonly replicas?: boolean;
  readonly watch?: boolean;
  readonly own?: boolean;
  readonly metric?: string;
  readonly output?: "table" | "json";
}

const watchMs = 5_000;
/** Home, and nothing below. */
const clearScreen = "\u001b[H\u001b[J";

/** What apps use and do. */
export function monitorCommand(world: CommandWorld): Command {
  return new Command("monitor")
    .description("what apps use and do, as the fabrics measure it")
    .addCommand(showCommand(world));
}

function showCommand(world: CommandWorld): Command {
  return new Command("show")
    .description("show CPU, memory, messages, response time and errors of apps, now and over the past hour")
    .argument("[app]", "name; all of the environment without it")
    .addOption(environmentOption())
    .option("-f, --fabric <fabric>", "only what this fabric tells, by name or id")
    .addOption(sinceOption())
    .option("--replicas", "replicas one by one too")
    .addOption(
      new Option("--own", "what the app tells of itself, at the endpoint that its manifest names").conflicts(
        "replicas",
      ),
    )
    .addOption(new Option("--metric <name>", "only this metric of its own").implies({ own: true }))
    .addOption(new Option("--watch", "go on every 5 s until Ctrl-C"))
    .addOption(outputOption())
    .addHelpText(
      "after",
      `
Figures are "now/over the time asked for": CPU in cores and its mean, messages a minute, mean response time, number of
errors; memory is "used/may use". Bars go from the begin of that time to now. A dash is what nobody measured.

Examples:
  drawbridge monitor show                        all apps of production
  drawbridge monitor show orders --replicas      one app and its replicas
  drawbridge monitor show -e test --since 7d     a week
  drawbridge monitor show orders --own           what the app tells of itself
  drawbridge monitor show --watch                every 5 s until Ctrl-C
  drawbridge monitor show orders -o json         every step, for scripts`,
    )
    .action((app: string | undefined, options: ShowOptions, command: Command) => {
      if (options.own !== true) return show(world, options, { ask: ask(world, app, options), print });
      if (app === undefined) {
        command.error("error: --own and --metric take the name of an app", { code: "drawbridge.usage", exitCode: 2 });
      }
      return show(world, options, { ask: askOwn(world, app, options), print: printOwn });
    });
}

/** What is asked for, and how its answer is shown. */
interface View<T> {
  readonly ask: (api: ApiClient) => Promise<T>;
  readonly print: (output: Output, answer: T, options: ShowOptions) => void;
}

async function show<T extends { readonly askedAt: string }>(
  world: CommandWorld,
  options: ShowOptions,
  view: View<T>,
): Promise<void> {
  const output = outputOf(world, options);
  await withApi(world, async (api) => {
    for (;;) {
      const answer = await view.ask(api);
      if (options.output === "json") {
        const text = options.watch === true ? JSON.stringify(answer) : JSON.stringify(answer, null, 2);
        world.stdout.write(`${text}\n`);
      } else {
        if (options.watch === true && world.stdout.isTTY === true) world.stdout.write(clearScreen);
        view.print(output, answer, options);
        const from = new Date(new Date(answer.askedAt).getTime() - options.since);
        const range = `from ${formatTime(from)} to ${formatTime(answer.askedAt)}`;
        output.note(`${options.own === true ? "" : "now/"}in the ${formatDuration(options.since)} ${range}`);
      }
      if (options.watch !== true || !(await waited(world))) return;
    }
  });
}

/** The server's clock says what now is; an hour is what it takes by itself. */
function fromOf(world: CommandWorld, { since }: ShowOptions): string | undefined {
  return since === 3_600_000 ? undefined : new Date(world.clock.now().getTime() - since).toISOString();
}

const ask =
  (world: CommandWorld, app: string | undefined, options: ShowOptions) =>
  (api: ApiClient): Promise<MetricsAnswer> => {
    const { environment, fabric, replicas } = options;
    const path =
      app === undefined
        ? `/v1/environments/${encodeURIComponent(environment)}/metrics`
        : `${appPath(environment, app)}/metrics`;
    const query = { fabric, from: fromOf(world, options), replicas };
    return api.call(path, metricsSchema, { query, signal: world.signal });
  };

function print(output: Output, answer: MetricsAnswer, { environment }: ShowOptions): void {
  const rows = metricsRows(answer.items);
  output.list(metricsColumns(rows), rows, { empty: `nothing was measured in ${environment}` });
}

const askOwn = (world: CommandWorld, app: string, options: ShowOptions) => (api: ApiClient) => {
  const { environment, fabric, metric } = options;
  const query = { fabric, from: fromOf(world, options), metric };
  return api.call(`${appPath(environment, app)}/own-metrics`, ownMetricsSchema, { query, signal: world.signal });
};

function printOwn(output: Output, { items }: z.output<typeof ownMetricsSchema>): void {
  output.list(ownMetricsColumns(items), items, {
    empty: "the app told nothing of itself: does its manifest have metrics?",
  });
}

/** False when Ctrl-C was pressed, which is how watching ends. */
async function waited(world: CommandWorld): Promise<boolean> {
  try {
    await world.clock.sleep(watchMs, world.signal);
    return true;
  } catch (error) {
    if (world.signal.aborted) return false;
    throw error;
  }
}
