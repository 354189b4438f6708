import { Command } from "commander";
import { type IntakeGateway, intakeSchema } from "../api/analytics-types.ts";
import { type CommandWorld, outputOf, type OutputOptions, withApi } from "../command-context.ts";
import { formatDuration, formatTime } from "../output/format.ts";
import { shortInstant } from "../output/format-instant.ts";
import { outputOption } from "./options.ts";

interface IntakeOptions extends OutputOptions {
  readonly fabric?: string;
}

const gapsShown = 20;

const reasons: Readonly<Record<string, string>> = {
  overloaded: "more came than the gateway could write down",
  spool_full: "the gateway's spool was full while the control plane was away",
  too_old: "older than the gateway keeps them",
  spool_damaged: "the gateway's spool was damaged",
  refused: "the control plane refused them",
  interrupted: "in the memory of a gateway that was killed: at most so many",
};

export function analyticsIntakeCommand(world: CommandWorld): Command {
  return new Command("intake")
    .description("show how complete analytics are: what came of each gateway, what is missing, what waits")
    .option("-f, --fabric <fabric>", "only this fabric's gateways, by name or id")
    .addOption(outputOption())
    .action((options: IntakeOptions) => showIntake(world, options));
}

async function showIntake(world: CommandWorld, options: IntakeOptions): Promise<void> {
  const { fabric } = options;
  const intake = await withApi(world, (api) => api.call("/v1/analytics/intake", intakeSchema, { query: { fabric } }));
  const output = outputOf(world, options);
  output.fields(
    [
      ["Waiting", `${intake.waitingBatches} batches that are not stored yet`],
      ["Not stored", `${intake.deadLetters} batches: drawbridge analytics dead-letters list`],
      ["Visible", `${formatDuration(intake.lagMs)} after a request, lately`],
      ["Kept", `${intake.retentionDays} days`],
    ],
    intake,
  );
  if (output.format === "json") return;
  const now = world.clock.now();
  if (intake.gateways.length === 0) return output.note("no gateway has told of requests yet");
  output.table(
    [
      { title: "FABRIC", value: fabricOf },
      { title: "GATEWAY", value: ({ gateway }) => gateway },
      { title: "LAST BATCH", value: ({ lastBatchAt }) => shortInstant(lastBatchAt, now) },
      { title: "REQUESTS", value: ({ requests }) => requests.toLocaleString("en"), align: "right" },
      { title: "MISSING", value: (row) => missingOf(row).toLocaleString("en"), align: "right" },
    ],
    intake.gateways,
  );
  const gaps = intake.gateways
    .flatMap((gateway) => gateway.missing.map((gap) => ({ gateway, gap })))
    .toSorted((a, b) => b.gap.from.localeCompare(a.gap.from));
  if (gaps.length === 0) return;
  output.table(
    [
      { title: "MISSING", value: ({ gap }) => gap.requests.toLocaleString("en"), align: "right" },
      { title: "FROM", value: ({ gap }) => formatTime(gap.from) },
      { title: "TO", value: ({ gap }) => formatTime(gap.to) },
      { title: "OF", value: ({ gateway }) => `${fabricOf(gateway)}/${gateway.gateway}` },
      { title: "WHY", value: ({ gap }) => reasons[gap.reason] ?? gap.reason },
    ],
    gaps.slice(0, gapsShown),
  );
  if (gaps.length > gapsShown) output.note(`${gaps.length - gapsShown} more of them: -o json has all`);
}

function fabricOf({ fabric, fabricId }: IntakeGateway): string {
  return fabric ?? fabricId;
}

function missingOf({ missing }: IntakeGateway): number {
  return missing.reduce((sum, { requests }) => sum + requests, 0);
}
