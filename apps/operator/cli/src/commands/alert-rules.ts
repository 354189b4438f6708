import { Command } from "commander";
import { alertSchema, type Rule, ruleListSchema, ruleSchema } from "../api/alert-types.ts";
import { listUpTo } from "../api/paging.ts";
import { type CommandWorld, outputOf, type OutputOptions, withApi } from "../command-context.ts";
import { formatDuration, formatTime } from "../output/format.ts";
import { formatInstant, shortDistance } from "../output/format-instant.ts";
import { openColumns } from "./alert-list.ts";
import { alertEnvironmentOption, alertPath, formatFigure } from "./alert-path.ts";
import { outputOption } from "./options.ts";

interface OfEnvironment extends OutputOptions {
  readonly environment: string;
}

/** Beyond this a terminal shows nothing else. */
const openShown = 100;

/** `drawbridge alert rules` */
export function alertRulesCommand(world: CommandWorld): Command {
  return new Command("rules")
    .description("list the rules of an environment and how they stand")
    .addOption(alertEnvironmentOption())
    .addOption(outputOption())
    .action(async (options: OfEnvironment) => {
      const { environment } = options;
      const found = await withApi(world, (api) => api.call(alertPath(environment, "alert-rules"), ruleListSchema));
      const output = outputOf(world, options);
      const now = world.clock.now();
      if (output.format === "json") return output.fields([], found);
      output.list(
        [
          { title: "RULE", value: ({ name }) => name },
          { title: "STATE", value: stateText },
          { title: "LAST", value: ({ value }) => formatFigure(value), align: "right" },
          { title: "BOUND", value: boundText },
          { title: "LOOKED AT", value: ({ evaluatedAt }) => shortDistance(evaluatedAt, now) },
          { title: "TELLS", value: ({ definition }) => definition.receivers.join(", ") || "nobody" },
          { title: "SOURCE", value: ({ source }) => source },
          ...(found.items.some(({ problem }) => problem !== null)
            ? [{ title: "PROBLEM", value: ({ problem }: Rule) => problem ?? "-" }]
            : []),
        ],
        found.items,
        { empty: `there are no alert rules in ${environment}: drawbridge alert apply --file rules.yaml` },
      );
      if (found.version > 0)
        output.note(`version ${found.version}, applied ${formatTime(found.appliedAt)} by ${found.appliedBy ?? "-"}`);
      if (found.fileProblem !== null)
        output.note(`warning: the operator's file cannot be used, the one before is in force: ${found.fileProblem}`);
    });
}

/** `drawbridge alert show <rule>` */
export function alertShowCommand(world: CommandWorld): Command {
  return new Command("show")
    .description("show a rule, the figures of the last look, and what is beyond its bound")
    .argument("<rule>", "name")
    .addOption(alertEnvironmentOption())
    .addOption(outputOption())
    .action(async (name: string, options: OfEnvironment) => {
      const { environment } = options;
      const { rule, open } = await withApi(world, async (api) => ({
        rule: await api.call(alertPath(environment, "alert-rules", name), ruleSchema),
        open: await listUpTo(api, "/v1/alerts", alertSchema, { query: { environment, rule: name }, limit: openShown }),
      }));
      const output = outputOf(world, options);
      output.fields(fieldsOf(rule, world.clock.now()), { ...rule, alerts: open.items });
      if (open.items.length > 0) output.table(openColumns(world), open.items);
      else if (rule.series.length > 0)
        output.table(
          [
            { title: "OF", value: ({ series }) => series || "-" },
            { title: "VALUE", value: ({ value }) => formatFigure(value), align: "right" },
          ],
          rule.series,
        );
    });
}

function fieldsOf(rule: Rule, now: Date): [string, string][] {
  const { definition, problem } = rule;
  const { analytics, metric, windowSeconds, forSeconds, summary, receivers } = definition;
  const of = Object.entries(analytics ?? metric ?? {}).map(([name, value]) => `${name} ${value}`);
  return [
    ["Rule", rule.name],
    ["State", stateText(rule)],
    ...(problem === null ? [] : [["Problem", problem] satisfies [string, string]]),
    [
      "Looks at",
      `${analytics ? "requests" : "apps"}: ${of.join(", ")}; the last ${formatDuration(windowSeconds * 1_000)}`,
    ],
    ["Bound", boundText(rule) + (forSeconds === 0 ? "" : `, for ${formatDuration(forSeconds * 1_000)}`)],
    ["Last value", formatFigure(rule.value)],
    ["Looked at", formatInstant(rule.evaluatedAt, now)],
    ...(rule.since === null ? [] : [["Beyond since", formatInstant(rule.since, now)] satisfies [string, string]]),
    ["Tells", receivers.join(", ") || "nobody: it is shown only"],
    ["Summary", summary || "-"],
    ["Source", rule.source === "file" ? "the operator's file: it cannot be changed here" : "applied"],
  ];
}

function stateText({ state, firing, pending, silenceId }: Rule): string {
  const parts = [
    state === "firing" && firing > 1 ? `firing (${firing})` : state,
    ...(state === "firing" && pending > 0 ? [`${pending} pending`] : []),
    ...(silenceId === null ? [] : ["silenced"]),
  ];
  return parts.join(", ");
}

function boundText({ definition: { analytics, metric, above, below } }: Rule): string {
  const figure = (analytics ?? metric)?.["figure"] ?? "";
  return `${figure} ${above === undefined ? `below ${below}` : `above ${above}`}`;
}
