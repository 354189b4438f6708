import { DrawbridgeError } from "@drawbridge/errors";
import { Command } from "commander";
import { textLines } from "../api/text-lines.ts";
import { transportError } from "../api/transport-error.ts";
import { logEntrySchema } from "../api/types.ts";
import { type CommandWorld, withApi } from "../command-context.ts";
import { formatTime } from "../output/format.ts";
import { plainLogLine } from "../output/plain-text.ts";
import { appPath } from "./app-path.ts";
import { environmentOption, outputOption, wholeNumber } from "./options.ts";

interface LogsOptions {
  readonly environment: string;
  readonly tail: number;
  readonly follow?: boolean;
  readonly replica?: string;
  readonly output?: "table" | "json";
}

export function logsCommand(world: CommandWorld): Command {
  return new Command("logs")
    .description(
      "print an app's log lines; works only where the fabric's owner allowed it, and nothing is stored on the way",
    )
    .argument("<app>", "name")
    .addOption(environmentOption())
    .option("--tail <lines>", "last lines of each replica", wholeNumber(0, 10_000), 100)
    .option("--follow", "go on with new lines until Ctrl-C")
    .option("--replica <id>", "only this replica's")
    .addOption(outputOption())
    .action((name: string, options: LogsOptions) => printLogs(world, name, options));
}

async function printLogs(world: CommandWorld, name: string, options: LogsOptions): Promise<void> {
  await withApi(world, async (api, { context }) => {
    const response = await api.open(`${appPath(options.environment, name)}/logs`, {
      query: { tail: options.tail, follow: options.follow, replica: options.replica },
      signal: world.signal,
    });
    try {
      for await (const text of textLines(response.body)) printEntry(world, text, options);
    } catch (error) {
      if (!world.signal.aborted) throw transportError(error, context.url); // Ctrl-C is how following ends
    }
  });
}

function printEntry(world: CommandWorld, text: string, options: LogsOptions): void {
  const parsed = logEntrySchema.safeParse(JSON.parse(text));
  if (!parsed.success) return; // a newer server's new type
  const entry = parsed.data;
  switch (entry.type) {
    case "heartbeat":
      return;
    case "error":
      throw new DrawbridgeError({
        kind: "unavailable",
        code: entry.code,
        message: `the log ended early: ${entry.detail}`,
      });
    case "line":
      world.stdout.write(
        options.output === "json"
          ? `${text}\n`
          : `${plainLogLine(`${formatTime(entry.at)}  ${entry.replicaId}  ${entry.line}`)}\n`,
      );
  }
}
