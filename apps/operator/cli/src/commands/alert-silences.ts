import { Command, InvalidArgumentError, Option } from "commander";
import { silenceSchema } from "../api/alert-types.ts";
import { pageOf } from "../api/types.ts";
import { type CommandWorld, outputOf, type OutputOptions, withApi } from "../command-context.ts";
import { formatTime } from "../output/format.ts";
import { shortInstant } from "../output/format-instant.ts";
import { alertEnvironmentOption, alertPath } from "./alert-path.ts";
import { outputOption } from "./options.ts";

interface OfEnvironment extends OutputOptions {
  readonly environment: string;
}

interface SilenceOptions extends OfEnvironment {
  /** Seconds. */
  readonly for: number;
  readonly reason: string;
  readonly series?: string;
}

const unitSeconds = { m: 60, h: 3_600, d: 86_400 } as const;
const longestSeconds = 366 * 86_400;

/** `drawbridge alert silence [rule]` */
export function alertSilenceCommand(world: CommandWorld): Command {
  return new Command("silence")
    .description("tell nobody of a rule's alerts for a while; they are shown as before")
    .argument("[rule]", "name; every rule of the environment without it")
    .addOption(
      new Option("--for <time>", "how long: 30m, 2h, 7d; at most 366d").argParser(secondsOf).makeOptionMandatory(),
    )
    .requiredOption("--reason <text>", "why, for those who wonder")
    .option("--series <series>", 'only this series of the rule, as alert list shows it: "api=orders"')
    .addOption(alertEnvironmentOption())
    .addOption(outputOption())
    .addHelpText(
      "after",
      "\nWhat still fires when the silence is over is told then.\n\nExample:\n  drawbridge alert silence apis-fail --for 2h --reason 'the new release is on its way'",
    )
    .action(async (rule: string | undefined, options: SilenceOptions) => {
      const { environment, for: durationSeconds, reason, series } = options;
      const body = { rule, series, durationSeconds, reason };
      const silence = await withApi(world, (api) =>
        api.call(alertPath(environment, "alert-silences"), silenceSchema, { method: "POST", body }),
      );
      outputOf(world, options).done(
        `nobody is told of ${silence.rule ?? "any rule"} in ${environment} until ${formatTime(silence.until)}; to end it: drawbridge alert unsilence ${silence.silenceId} -e ${environment}`,
        silence,
      );
    });
}

/** `drawbridge alert silences` */
export function alertSilencesCommand(world: CommandWorld): Command {
  return new Command("silences")
    .description("list silences, the newest first")
    .option("--ended", "also those that have ended, for 30 days")
    .addOption(alertEnvironmentOption())
    .addOption(outputOption())
    .action(async (options: OfEnvironment & { readonly ended?: boolean }) => {
      const { environment, ended } = options;
      const { items } = await withApi(world, (api) =>
        api.call(alertPath(environment, "alert-silences"), pageOf(silenceSchema), { query: { ended } }),
      );
      const now = world.clock.now();
      outputOf(world, options).list(
        [
          { title: "ID", value: ({ silenceId }) => silenceId },
          { title: "RULE", value: ({ rule }) => rule ?? "every rule" },
          { title: "OF", value: ({ series }) => series ?? "-" },
          { title: "UNTIL", value: ({ until, endedAt }) => shortInstant(endedAt ?? until, now) },
          { title: "BY", value: ({ createdBy }) => createdBy },
          ...(ended === true
            ? [{ title: "ENDED BY", value: (one: (typeof items)[number]) => one.endedBy ?? "-" }]
            : []),
          { title: "WHY", value: ({ reason }) => reason },
        ],
        items,
        { empty: `nothing is silenced in ${environment}` },
      );
    });
}

/** `drawbridge alert unsilence <id>` */
export function alertUnsilenceCommand(world: CommandWorld): Command {
  return new Command("unsilence")
    .description("end a silence; what fires is told within half a minute")
    .argument("<id>", "from alert silences")
    .addOption(alertEnvironmentOption())
    .addOption(outputOption())
    .action(async (id: string, options: OfEnvironment) => {
      const path = alertPath(options.environment, "alert-silences", id);
      const silence = await withApi(world, (api) => api.call(path, silenceSchema, { method: "DELETE" }));
      outputOf(world, options).done(`the silence of ${silence.rule ?? "every rule"} has ended`, silence);
    });
}

function secondsOf(text: string): number {
  const found = /^(\d{1,6})([mhd])$/.exec(text);
  const [, count = "", unit = "m"] = found ?? [];
  const seconds = Number(count) * unitSeconds[unit as keyof typeof unitSeconds]; // the pattern lets no other letter through
  if (found === null || seconds < unitSeconds.m || seconds > longestSeconds)
    throw new InvalidArgumentError("give minutes, hours or days: 30m, 2h, 7d; at most 366d.");
  return seconds;
}
