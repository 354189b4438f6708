import { createInterface } from "node:readline";
import { Command } from "commander";
import { logLineSchema } from "../api/types.ts";
import { type CommandWorld, withApi } from "../command-context.ts";
import { formatTime } from "../output/format.ts";
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
  await withApi(world, async (api) => {
    const response = await api.open(`${appPath(options.environment, name)}/logs`, {
      query: { tail: options.tail, follow: options.follow, replica: options.replica },
      signal: world.signal,
    });
    try {
      for await (const text of createInterface({ input: response.body, crlfDelay: Infinity })) {
        if (text === "") continue;
        if (options.output === "json") {
          world.stdout.write(`${text}\n`);
          continue;
        }
        const parsed = logLineSchema.safeParse(JSON.parse(text));
        if (!parsed.success || parsed.data.line === undefined) continue; // a sign of life
        const { at, line, replicaId } = parsed.data;
        world.stdout.write(`${formatTime(at)}  ${replicaId ?? "-"}  ${line}\n`);
      }
    } catch (error) {
      if (!world.signal.aborted) throw error; // Ctrl-C is how following ends
    }
  });
}
