import { DrawbridgeError } from "@drawbridge/errors";
import { Command } from "commander";
import { type RequestLine, requestLineSchema } from "../api/analytics-types.ts";
import { textLines } from "../api/text-lines.ts";
import { transportError } from "../api/transport-error.ts";
import { type CommandWorld, type OutputOptions, withApi } from "../command-context.ts";
import { formatTime } from "../output/format.ts";
import { plainText } from "../output/plain-text.ts";
import { analyticsPath } from "./analytics-path.ts";
import { sinceDayOption, timeZoneOption } from "./analytics-time.ts";
import { conditions } from "./analytics-where.ts";
import { environmentOption, outputOption, wholeNumber } from "./options.ts";

interface TailOptions extends OutputOptions {
  readonly environment: string;
  readonly follow?: boolean;
  readonly limit: number;
  /** Milliseconds. */
  readonly since: number;
  readonly timeZone: string;
  readonly where?: readonly string[];
}

/** The server needs as long as a question may take. */
const answerTimeoutMs = 40_000;

export function analyticsTailCommand(world: CommandWorld): Command {
  return new Command("tail")
    .description("print the last requests, the newest last; the control plane records who looked")
    .addOption(environmentOption())
    .option("-f, --follow", "go on with those that come in until Ctrl-C")
    .option("--limit <count>", "how many of those that are there", wholeNumber(0, 1_000), 20)
    .addOption(sinceDayOption())
    .addOption(timeZoneOption())
    .option("-w, --where <conditions>", "as for query", conditions)
    .addOption(outputOption())
    .addHelpText(
      "after",
      `
With -f a request is told when it is stored, a second or two after it came. What comes in later than ten minutes after it
came, or in larger numbers than a thousand a second, is left out; how many were is said.

Examples:
  drawbridge analytics tail --where api=orders,status=5xx
  drawbridge analytics tail -f -o json --where application=shop`,
    )
    .action((options: TailOptions) => tail(world, options));
}

async function tail(world: CommandWorld, options: TailOptions): Promise<void> {
  await withApi(world, async (api, { context }) => {
    const from = new Date(world.clock.now().getTime() - options.since).toISOString();
    const response = await api.open(analyticsPath(options.environment, "/requests", options.where), {
      query: { from, limit: options.limit, follow: options.follow },
      signal: world.signal,
      answerTimeoutMs,
    });
    try {
      // Without follow the newest comes first.
      const isReversed = options.follow !== true;
      const lines = textLines(response.body);
      for await (const text of isReversed ? reversed(lines) : lines) printLine(world, text, options);
    } catch (error) {
      if (!world.signal.aborted) throw transportError(error, context.url); // Ctrl-C is how following ends
    }
  });
}

async function* reversed(lines: AsyncIterable<string>): AsyncGenerator<string> {
  const all: string[] = [];
  for await (const line of lines) all.push(line);
  yield* all.toReversed();
}

function printLine(world: CommandWorld, text: string, options: TailOptions): void {
  const parsed = requestLineSchema.safeParse(JSON.parse(text));
  if (!parsed.success) return; // a newer server's new type
  const line = parsed.data;
  switch (line.type) {
    case "heartbeat":
      return;
    case "error":
      throw new DrawbridgeError({
        kind: "unavailable",
        code: line.code,
        message: `the requests end early: ${line.detail}`,
      });
    case "leftOut":
      if (options.output === "json") world.stdout.write(`${text}\n`);
      else
        world.stderr.write(`${line.requests.toLocaleString("en")} requests are left out: more came than can be told\n`);
      return;
    case "request":
      world.stdout.write(
        options.output === "json" ? `${text}\n` : `${plainText(requestText(line, options.timeZone))}\n`,
      );
  }
}

/** "2026-11-22 14:07:31 CET  429  GET /orders/{id}  12 ms  orders:v1  shop  192.0.2.7  refused by limit". */
function requestText(line: RequestLine, timeZone: string): string {
  return [
    formatTime(line.time, timeZone),
    line.statusCode === 0 ? "---" : String(line.statusCode),
    `${line.verb} ${line.resourcePath}`,
    `${line.latencyMs < 10 ? line.latencyMs.toFixed(1) : Math.round(line.latencyMs)} ms`,
    `${line.api}:${line.apiVersion}`,
    line.application || "-",
    line.clientIp || "-",
    ...(line.violatedPolicy === "" ? [] : [`refused by ${line.violatedPolicy}`]),
    ...(line.violatedPolicy === "" && line.disposition !== "processed" ? [line.disposition] : []),
    ...(line.weight > 1 ? [`for ${line.weight}`] : []),
  ].join("  ");
}
