import { resolve } from "node:path";
import { alertRuleFileSchema } from "@drawbridge/alert-rules";
import { DrawbridgeError } from "@drawbridge/errors";
import { Command, Option } from "commander";
import { parseDocument, stringify } from "yaml";
import type { z } from "zod";
import { ruleChangeSchema, ruleListSchema } from "../api/alert-types.ts";
import { type CommandWorld, outputOf, type OutputOptions, withApi } from "../command-context.ts";
import { readGivenFile } from "../files/given-file.ts";
import { alertEnvironmentOption, alertPath } from "./alert-path.ts";
import { outputOption, wholeNumber } from "./options.ts";

interface ApplyOptions extends OutputOptions {
  readonly file: string;
  readonly environment?: string;
  readonly baseVersion?: number;
  readonly dryRun?: boolean;
}

const shownProblems = 20;
const example = `
Example of a file:
  environment: production
  rules:
    - name: apis-fail
      analytics: { figure: error-rate, by: api }
      above: 0.05
      forSeconds: 120
      receivers: [on-call]`;

/** `drawbridge alert check <file>` */
export function alertCheckCommand(world: CommandWorld): Command {
  return new Command("check")
    .description(
      "check a file of rules without asking the control plane; for whether its receivers are there: apply --dry-run",
    )
    .argument("<file>", 'YAML or JSON; "-" is standard input')
    .addOption(outputOption())
    .addHelpText("after", example)
    .action(async (path: string, options: OutputOptions) => {
      const { environment, rules } = await readRules(world, path);
      const of = environment === undefined ? "" : ` for ${environment}`;
      outputOf(world, options).done(`${path}: ${rules.length} rule(s)${of}, all valid`, {
        environment: environment ?? null,
        rules: rules.map(({ name }) => name),
      });
    });
}

/** `drawbridge alert apply --file <file>` */
export function alertApplyCommand(world: CommandWorld): Command {
  return new Command("apply")
    .description("replace the rules of an environment by those of a file, as a whole or not at all")
    .requiredOption("-f, --file <file>", 'YAML or JSON; "-" is standard input')
    .addOption(
      new Option("-e, --environment <name>", "environment of the rules, if the file names none").env(
        "DRAWBRIDGE_ENVIRONMENT",
      ),
    )
    .option("--base-version <version>", "refuse if the version is another one by now", wholeNumber(0, 1_000_000_000))
    .option("--dry-run", "say what would change, and change nothing")
    .addOption(outputOption())
    .addHelpText(
      "after",
      `${example}\n\nRules of the environment that are not in the file are taken away; those of the operator's file stay.`,
    )
    .action(async (options: ApplyOptions) => {
      const { file, baseVersion, dryRun = false } = options;
      const read = await readRules(world, file);
      const environment = environmentOf(read.environment, options.environment, file);
      const body = { rules: read.rules, dryRun, ...(baseVersion === undefined ? {} : { baseVersion }) };
      const change = await withApi(world, (api) =>
        api.call(alertPath(environment, "alert-rules"), ruleChangeSchema, { method: "PUT", body }),
      );
      const parts = (["added", "changed", "removed"] as const).flatMap((what) =>
        change[what].length === 0 ? [] : [`${what}: ${change[what].join(", ")}`],
      );
      const what = parts.join("; ") || "nothing changes";
      outputOf(world, options).done(
        dryRun
          ? `rules of ${environment} would be applied: ${what}`
          : `rules of ${environment} are applied, version ${change.version}: ${what}`,
        change,
      );
    });
}

/** `drawbridge alert export` */
export function alertExportCommand(world: CommandWorld): Command {
  return new Command("export")
    .description("print the applied rules of an environment as a file for alert apply")
    .addOption(alertEnvironmentOption())
    .addOption(outputOption())
    .action(async (options: OutputOptions & { readonly environment: string }) => {
      const { environment } = options;
      const { items } = await withApi(world, (api) => api.call(alertPath(environment, "alert-rules"), ruleListSchema));
      const rules = items.flatMap(({ source, definition }) => (source === "applied" ? [definition] : []));
      const output = outputOf(world, options);
      if (output.format === "json") output.fields([], { environment, rules });
      else output.document(stringify({ environment, rules }).trimEnd());
    });
}

/** @throws DrawbridgeError `ALERT_FILE_INVALID` (invalid_argument), which names each place */
async function readRules(world: CommandWorld, path: string): Promise<z.output<typeof alertRuleFileSchema>> {
  const text =
    path === "-" ? await world.readInput() : await readGivenFile(resolve(world.workingDirectory, path), "--file");
  const document = parseDocument(text, { logLevel: "error" });
  const [broken] = document.errors;
  if (broken) throw invalid(path, [["", `is neither YAML nor JSON: ${broken.message}`]]);
  const read = alertRuleFileSchema.safeParse(document.toJS());
  if (read.success) return read.data;
  throw invalid(
    path,
    read.error.issues.map((issue) => [issue.path.join("."), issue.message]),
  );
}

function environmentOf(inFile: string | undefined, given: string | undefined, path: string): string {
  if (inFile !== undefined && given !== undefined && inFile !== given)
    throw invalid(path, [["environment", `is ${inFile}, and ${given} was asked for`]]);
  const environment = inFile ?? given;
  if (environment !== undefined) return environment;
  throw invalid(path, [["environment", "is not in the file: give it there or with --environment"]]);
}

function invalid(path: string, problems: readonly (readonly [string, string])[]): DrawbridgeError {
  const shown = problems.slice(0, shownProblems);
  const texts = shown.map(([field, message]) => `${field} ${message}`.trim());
  return new DrawbridgeError({
    kind: "invalid_argument",
    code: "ALERT_FILE_INVALID",
    message: `${path}: ${texts.join("; ")}`,
    details: Object.fromEntries(shown.map(([field, message]) => [`field:${field}`, message])),
  });
}
