import { resolve } from "node:path";
import { DrawbridgeError, isDrawbridgeError } from "@drawbridge/errors";
import { Command } from "commander";
import type { ApiClient } from "../api/client.ts";
import {
  type Capture,
  captureSchema,
  exchangeLineSchema,
  type ExchangeLine,
  shownCaptureSchema,
} from "../api/insight-types.ts";
import { listAll } from "../api/paging.ts";
import { textLines } from "../api/text-lines.ts";
import { transportError } from "../api/transport-error.ts";
import { type CommandWorld, outputOf, type OutputOptions, withApi } from "../command-context.ts";
import { assertWritable, writeNewFile } from "../files/new-file-from-stream.ts";
import { exchangeLines } from "../output/exchange-text.ts";
import { formatBytes } from "../output/format.ts";
import { formatInstant, shortInstant } from "../output/format-instant.ts";
import { insightStartCommand } from "./insight-start.ts";
import { environmentOption, outputOption, wholeNumber } from "./options.ts";

interface OneCapture extends OutputOptions {
  readonly environment: string;
}
interface ReadOptions extends OneCapture {
  readonly limit: number;
}

const answerTimeoutMs = 40_000;

/** `drawbridge insight`: requests and answers of APIs, captured for a time. */
export function insightCommand(world: CommandWorld): Command {
  const insight = new Command("insight").description("capture requests and answers of an API for a time (advanced)");
  for (const command of [insightStartCommand, list, show, stop, tail, exportCommand])
    insight.addCommand(command(world));
  return insight;
}

function list(world: CommandWorld): Command {
  return new Command("list")
    .description("list captures of an environment, newest first")
    .addOption(environmentOption())
    .option("--running", "only those that run")
    .addOption(outputOption())
    .action(async (options: OneCapture & { readonly running?: boolean }) => {
      const query = { environment: options.environment, running: options.running };
      const found = await withApi(world, (api) => listAll(api, "/v1/captures", captureSchema, query));
      const now = world.clock.now();
      outputOf(world, options).list<Capture>(
        [
          { title: "CAPTURE", value: ({ captureId }) => captureId },
          { title: "API", value: ({ api, apiVersion }) => `${api}:${apiVersion}` },
          { title: "STATE", value: ({ state }) => state },
          { title: "STARTED BY", value: ({ startedBy }) => startedBy },
          { title: "END", value: ({ overAt, endsAt }) => shortInstant(overAt ?? endsAt, now) },
          { title: "REVEALED", value: ({ reveal }) => String(reveal.length), align: "right" },
        ],
        found,
        { empty: "no captures" },
      );
    });
}

function show(world: CommandWorld): Command {
  return oneCapture("show", "show a capture and the last exchanges that it took; who reads them is recorded")
    .option("--limit <count>", "how many exchanges", wholeNumber(1, 1_000), 5)
    .action(async (captureId: string, options: ReadOptions) => {
      await withApi(world, async (api) => {
        const found = await api.call(capturePath(captureId, options), shownCaptureSchema);
        const output = outputOf(world, options);
        output.fields(fieldsOf(found, world.clock.now()), found);
        if (output.format === "json") return;
        try {
          for await (const { exchange } of exchanges(world, api, captureId, { ...options, follow: false })) {
            output.text(["", ...exchangeLines(exchange)]);
          }
        } catch (error) {
          if (!isDrawbridgeError(error, "PERMISSION_DENIED")) throw error;
          output.note("what it took is for operators of the environment");
        }
      });
    });
}

function stop(world: CommandWorld): Command {
  return oneCapture("stop", "stop a capture; what it took stays as long as it is kept").action(
    async (captureId: string, options: OneCapture) => {
      const stopped = await withApi(world, (api) =>
        api.call(`${capturePath(captureId, options)}/stop`, captureSchema, { method: "POST", body: {} }),
      );
      outputOf(world, options).done(`capture ${stopped.captureId} is over (${stopped.state})`, stopped);
    },
  );
}

function tail(world: CommandWorld): Command {
  return oneCapture("tail", "print what a capture took, and what comes in until Ctrl-C; who reads it is recorded")
    .option("--limit <count>", "how many of those that are there", wholeNumber(1, 1_000), 10)
    .action((captureId: string, options: ReadOptions) =>
      withApi(world, async (api, { context }) => {
        try {
          for await (const { text, exchange } of exchanges(world, api, captureId, { ...options, follow: true })) {
            world.stdout.write(options.output === "json" ? `${text}\n` : `${exchangeLines(exchange).join("\n")}\n\n`);
          }
        } catch (error) {
          if (!world.signal.aborted) throw transportError(error, context.url); // Ctrl-C is how following ends
        }
      }),
    );
}

function exportCommand(world: CommandWorld): Command {
  return oneCapture("export", "write what a capture took to a file, a JSON document per line; who does is recorded")
    .requiredOption("--out <file>", "where to; it stands there when it is whole")
    .option("--force", "replace a file that is there")
    .action(async (captureId: string, options: OneCapture & { readonly out: string; readonly force?: boolean }) => {
      const path = resolve(world.workingDirectory, options.out);
      const replace = options.force === true;
      await assertWritable(path, replace);
      const bytes = await withApi(world, (api) =>
        writeNewFile(path, asLines(exchanges(world, api, captureId, { ...options, limit: 100_000, follow: false })), {
          replace,
          onBytes: () => undefined,
        }),
      );
      outputOf(world, options).done(`${formatBytes(bytes)} are in ${options.out}`, { file: path, bytes });
    });
}

/** The text is what the server sent, with what this version does not read. */
interface ReceivedExchange {
  readonly text: string;
  readonly exchange: ExchangeLine;
}

async function* asLines(source: AsyncIterable<ReceivedExchange>): AsyncGenerator<Uint8Array> {
  for await (const { text } of source) yield Buffer.from(`${text}\n`);
}

async function* exchanges(
  world: CommandWorld,
  api: ApiClient,
  captureId: string,
  options: ReadOptions & { readonly follow: boolean },
): AsyncGenerator<ReceivedExchange> {
  const { limit, follow } = options;
  const response = await api.open(`${capturePath(captureId, options)}/exchanges`, {
    query: { limit, follow },
    signal: world.signal,
    answerTimeoutMs,
  });
  for await (const text of textLines(response.body)) {
    const parsed = exchangeLineSchema.safeParse(JSON.parse(text));
    if (!parsed.success || parsed.data.type === "heartbeat") continue; // or a newer server's new type
    if (parsed.data.type === "exchange") yield { text, exchange: parsed.data };
    else {
      const { code, detail } = parsed.data;
      throw new DrawbridgeError({ kind: "unavailable", code, message: `the exchanges end early: ${detail}` });
    }
  }
}

function fieldsOf(capture: ReturnType<typeof shownCaptureSchema.parse>, now: Date): [string, string][] {
  const { where, taken, state, overAt, endsAt, stoppedBy, reveal, redact } = capture;
  const conditions = [...where.statusClasses, ...where.methods, ...where.paths, ...where.applications].join(", ");
  const losses = (taken?.losses ?? []).map(({ reason, exchanges: count }) => `${count} (${reason})`).join(", ");
  const nothing =
    "nothing came: has a fabric's owner allowed it (DRAWBRIDGE_ALLOW_INSIGHT), and does a request meet it?";
  return [
    ["Capture", capture.captureId],
    ["API", `${capture.api}:${capture.apiVersion}@${capture.environment}`],
    ["State", stoppedBy ? `${state} by ${stoppedBy}` : state],
    ["Started", `${formatInstant(capture.startedAt, now)} by ${capture.startedBy}`],
    [state === "running" ? "Ends" : "Over", formatInstant(overAt ?? endsAt, now)],
    ["Sample", `${capture.samplePercent} %, at most ${capture.limit} of each gateway`],
    ["Where", conditions || "every exchange"],
    ["Parts", capture.parts.join(", ")],
    ["Revealed", reveal.join(", ") || "nothing: all values are masked"],
    ["Redacted", redact.join(", ") || "what nobody may reveal"],
    ["Taken", takenText(taken) ?? nothing],
    ...(losses === "" ? [] : [["Not told", losses] satisfies [string, string]]),
  ];
}

/** undefined: nothing. */
function takenText(taken: ReturnType<typeof shownCaptureSchema.parse>["taken"]): string | undefined {
  if (!taken) return "not known: this control plane keeps no analytics";
  const { exchanges: count, bytes, keptDays } = taken;
  return count === 0 ? undefined : `${count} exchanges, ${formatBytes(bytes)}; kept for ${keptDays} days`;
}

function oneCapture(verb: string, description: string): Command {
  return new Command(verb)
    .description(description)
    .argument("<capture>", "its id")
    .addOption(environmentOption())
    .addOption(outputOption());
}

function capturePath(captureId: string, { environment }: Pick<OneCapture, "environment">): string {
  return `/v1/environments/${encodeURIComponent(environment)}/captures/${encodeURIComponent(captureId)}`;
}
