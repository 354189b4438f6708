import { extname, resolve } from "node:path";
import { Command, Option } from "commander";
import { transportError } from "../api/transport-error.ts";
import { type CommandWorld, outputOf, type OutputOptions, withApi } from "../command-context.ts";
import { assertWritable, writeNewFile } from "../files/new-file-from-stream.ts";
import { formatBytes } from "../output/format.ts";
import { analyticsPath } from "./analytics-path.ts";
import { fromOption, sinceDayOption, timeRange, type TimeOptions, timeZoneOption, toOption } from "./analytics-time.ts";
import { conditions } from "./analytics-where.ts";
import { environmentOption, outputOption } from "./options.ts";

const formats = ["csv", "ndjson", "parquet"] as const;

interface ExportOptions extends TimeOptions, OutputOptions {
  readonly environment: string;
  readonly out: string;
  readonly format?: (typeof formats)[number];
  readonly where?: readonly string[];
  readonly force?: boolean;
}

/** A Parquet file is made whole before its first byte is sent. */
const answerTimeoutMs = 15 * 60_000;
const mib = 1_048_576;

export function analyticsExportCommand(world: CommandWorld): Command {
  return new Command("export")
    .description("write single requests to a file; the control plane records who did")
    .addOption(environmentOption())
    .requiredOption("--out <file>", "where to; it stands there when it is whole")
    .addOption(new Option("--format <format>", "of the file; by its ending without it, else csv").choices(formats))
    .option("--force", "replace a file that is there")
    .addOption(sinceDayOption())
    .addOption(fromOption())
    .addOption(toOption())
    .addOption(timeZoneOption())
    .option("-w, --where <conditions>", "as for query", conditions)
    .addOption(outputOption())
    .addHelpText(
      "after",
      `
Requests are in no order; times in the file are UTC. --time-zone is that of days in --from and --to.

Examples:
  drawbridge analytics export --out requests.parquet --since 30d
  drawbridge analytics export --format csv --out march.csv --from 2026-03-01 --to 2026-04-01 --where api=orders`,
    )
    .action((options: ExportOptions) => exportRequests(world, options));
}

async function exportRequests(world: CommandWorld, options: ExportOptions): Promise<void> {
  const output = outputOf(world, options);
  const path = resolve(world.workingDirectory, options.out);
  const format = options.format ?? formats.find((one) => `.${one}` === extname(path)) ?? "csv";
  const replace = options.force === true;
  // Before anything is asked: an export is recorded.
  await assertWritable(path, replace);
  const bytes = await withApi(world, async (api, { context }) => {
    output.progress(`exporting requests of ${options.environment}`);
    const response = await api.open(analyticsPath(options.environment, "/export", options.where), {
      query: { ...timeRange(options, world.clock.now()), format },
      signal: world.signal,
      answerTimeoutMs,
    });
    let shown = 0;
    const onBytes = (written: number): void => {
      if (written - shown < 4 * mib) return;
      shown = written;
      output.progress(`exporting requests of ${options.environment}, ${formatBytes(written)}`);
    };
    return writeNewFile(path, received(response.body, context.url, world.signal), { replace, onBytes });
  });
  output.progressDone();
  output.done(`${formatBytes(bytes)} are in ${options.out}`, { file: path, format, bytes });
}

/** The pieces of a body; one that breaks off says that the connection did. */
async function* received(
  body: AsyncIterable<Uint8Array>,
  url: string,
  signal: AbortSignal,
): AsyncGenerator<Uint8Array> {
  try {
    yield* body;
  } catch (error) {
    signal.throwIfAborted();
    throw transportError(error, url);
  }
}
