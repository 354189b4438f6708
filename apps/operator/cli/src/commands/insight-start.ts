import { type Command, InvalidArgumentError } from "commander";
import { startedCaptureSchema } from "../api/insight-types.ts";
import { type CommandWorld, outputOf, withApi } from "../command-context.ts";
import { formatInstant } from "../output/format-instant.ts";
import { type ApiRef, apiPath, apiText, oneApi, type OneApi, withEnvironment } from "./api-ref.ts";
import { commaSeparated, wholeNumber } from "./options.ts";

interface StartOptions extends OneApi {
  readonly for: number;
  readonly sample: number;
  readonly where?: Where;
  readonly parts?: readonly string[];
  readonly reveal?: readonly string[];
  readonly redact?: readonly string[];
  readonly rate: number;
  readonly limit: number;
}

const conditionNames = {
  method: "methods",
  path: "paths",
  status: "statusClasses",
  application: "applications",
} as const;
type Where = Readonly<Partial<Record<(typeof conditionNames)[keyof typeof conditionNames], readonly string[]>>>;

const unitSeconds = { s: 1, m: 60, h: 3_600 } as const;

export function insightStartCommand(world: CommandWorld): Command {
  return oneApi("start", "capture some requests and answers of an API for a time, masked but for what is revealed")
    .option("--for <time>", "how long: 90s, 10m, 24h at most; it ends by itself", seconds, 600)
    .option("--sample <percent>", "so many of those that meet the conditions, 0.0001 to 100", percent, 100)
    .option("-w, --where <conditions>", "status=5xx,method=POST|PUT,path=/orders/{id},application=shop", conditions)
    .option(
      "--parts <names>",
      "query, request-headers, request-body, answer-headers, answer-body; all of them without it",
      commaSeparated,
    )
    .option(
      "--reveal <paths>",
      "values told as they came: '$.order.items[*].sku,header.x-region,query.page'",
      commaSeparated,
    )
    .option(
      "--redact <paths>",
      "left out altogether: paths with all below them, or names: '$.customer,email'",
      commaSeparated,
    )
    .option("--rate <count>", "of each gateway at most so many in a second", wholeNumber(1, 100), 10)
    .option("--limit <count>", "of each gateway at most so many in all", wholeNumber(1, 100_000), 100)
    .addHelpText(
      "after",
      "\nOnly gateways of fabrics whose owner allows it follow a capture. Who started it, with every path, is in the audit log.\n\nExample:\n  drawbridge insight start orders:v1 --for 10m --sample 10% --where status=5xx --reveal '$.order.id' --redact '$.customer'",
    )
    .action(async (ref: ApiRef, options: StartOptions) => {
      const api = withEnvironment(ref, options.environment);
      const body = {
        durationSeconds: options.for,
        samplePercent: options.sample,
        where: options.where ?? {},
        ...(options.parts === undefined ? {} : { parts: options.parts }),
        reveal: options.reveal ?? [],
        redact: options.redact ?? [],
        exchangesPerSecond: options.rate,
        limit: options.limit,
      };
      const started = await withApi(world, (client) =>
        client.call(`${apiPath(api)}/captures`, startedCaptureSchema, { method: "POST", body }),
      );
      const output = outputOf(world, options);
      output.done(
        `capture ${started.captureId} of ${apiText(api)} runs; it ends ${formatInstant(started.endsAt, world.clock.now())}`,
        started,
      );
      output.note(
        `warning: requests and answers (${started.parts.join(", ")}) now leave the fabrics, masked; ${started.reveal.length === 0 ? "no value is revealed" : `as they came: ${started.reveal.join(", ")}`}`,
      );
      for (const warning of started.warnings) output.note(`warning: ${warning}`);
    });
}

function seconds(text: string): number {
  const [, count = "", unit = "s"] = /^(\d{1,5})([smh])$/.exec(text) ?? [];
  // The pattern lets no other letter through.
  const value = Number(count) * unitSeconds[unit as keyof typeof unitSeconds];
  if (value >= 1 && value <= 86_400) return value;
  throw new InvalidArgumentError("give seconds, minutes or hours: 90s, 10m, 24h at most.");
}

function percent(text: string): number {
  const value = Number(text.replace(/%$/, ""));
  if (/^\d+(\.\d+)?%?$/.test(text) && value >= 0.0001 && value <= 100) return value;
  throw new InvalidArgumentError("give per cent: 10%, 0.5%, at most 100%.");
}

function conditions(text: string, previous: Where | undefined): Where {
  const found: Record<string, readonly string[]> = { ...previous };
  for (const part of commaSeparated(text, undefined)) {
    const [, word = "", values = ""] = /^([a-z]+)=(.+)$/.exec(part) ?? [];
    if (!isCondition(word))
      throw new InvalidArgumentError(`"${part}" is no condition: give status, method, path or application = value.`);
    found[conditionNames[word]] = [...(found[conditionNames[word]] ?? []), ...values.split("|")];
  }
  return found;
}

function isCondition(word: string): word is keyof typeof conditionNames {
  return Object.hasOwn(conditionNames, word);
}
