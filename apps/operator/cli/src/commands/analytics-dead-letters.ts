import { DrawbridgeError } from "@drawbridge/errors";
import { Argument, Command, InvalidArgumentError } from "commander";
import { z } from "zod";
import { deadLetterSchema } from "../api/analytics-types.ts";
import { pageOf } from "../api/types.ts";
import { type CommandWorld, outputOf, type OutputOptions, withApi } from "../command-context.ts";
import { formatBytes } from "../output/format.ts";
import { shortInstant } from "../output/format-instant.ts";
import { confirmed, yesOption } from "./confirm.ts";
import { outputOption, wholeNumber } from "./options.ts";

interface WhichOptions extends OutputOptions {
  readonly all?: boolean;
  readonly yes?: boolean;
}

const path = "/v1/analytics/dead-letters";

/** `drawbridge analytics dead-letters`: batches that could not be stored. */
export function analyticsDeadLettersCommand(world: CommandWorld): Command {
  return new Command("dead-letters")
    .description("batches of requests that could not be stored; for administrators")
    .addCommand(listCommand(world))
    .addCommand(replayCommand(world))
    .addCommand(deleteCommand(world));
}

function listCommand(world: CommandWorld): Command {
  return new Command("list")
    .description("list them, the oldest first, with what was wrong")
    .option("--limit <count>", "how many", wholeNumber(1, 1_000), 100)
    .addOption(outputOption())
    .action(async (options: OutputOptions & { readonly limit: number }) => {
      const { items } = await withApi(world, (api) =>
        api.call(path, pageOf(deadLetterSchema), { query: { limit: options.limit } }),
      );
      const now = world.clock.now();
      outputOf(world, options).list(
        [
          { title: "ID", value: ({ id }) => id, align: "right" },
          { title: "PUT ASIDE", value: ({ time }) => shortInstant(time, now) },
          { title: "FABRIC", value: ({ fabricId }) => fabricId },
          { title: "GATEWAY", value: ({ gateway }) => gateway || "-" },
          { title: "SIZE", value: ({ bytes }) => formatBytes(bytes), align: "right" },
          { title: "TRIED", value: ({ attempts }) => String(attempts), align: "right" },
          { title: "WHY", value: ({ code, message }) => `${code}: ${message}` },
        ],
        items,
        { empty: "no dead letters: every batch that came was stored" },
      );
    });
}

function replayCommand(world: CommandWorld): Command {
  return new Command("replay")
    .description("offer them to the store again; what fails again comes back with a new number")
    .addArgument(idsArgument())
    .option("--all", "all of them")
    .addOption(outputOption())
    .addHelpText(
      "after",
      "\nExamples:\n  drawbridge analytics dead-letters replay 12 13\n  drawbridge analytics dead-letters replay --all",
    )
    .action(async (given: readonly string[] | undefined, options: WhichOptions) => {
      const ids = given ?? [];
      assertNamed(ids, options);
      const body = options.all === true ? { all: true } : { ids };
      const answer = await withApi(world, (api) =>
        api.call(`${path}/replay`, z.object({ replayed: z.number() }), { method: "POST", body }),
      );
      outputOf(world, options).done(`${answer.replayed} dead letters are offered again`, answer);
    });
}

function deleteCommand(world: CommandWorld): Command {
  return new Command("delete")
    .description("give them up: their requests are lost for ever")
    .addArgument(idsArgument())
    .option("--all", "all of them")
    .addOption(yesOption())
    .addOption(outputOption())
    .action(async (given: readonly string[] | undefined, options: WhichOptions) => {
      const ids = given ?? [];
      assertNamed(ids, options);
      await confirmed(world, {
        yes: options.yes,
        question: `Give up ${options.all === true ? "all dead letters" : `dead letters ${ids.join(", ")}`}? Their requests are lost for ever.`,
        because: "requests would be lost for ever",
      });
      const query = options.all === true ? { all: true } : { ids: ids.join(",") };
      const answer = await withApi(world, (api) =>
        api.call(path, z.object({ deleted: z.number() }), { method: "DELETE", query }),
      );
      outputOf(world, options).done(`${answer.deleted} dead letters are gone`, answer);
    });
}

function idsArgument(): Argument {
  return new Argument("[ids...]", "their numbers").argParser(
    (text: string, previous: readonly string[] | undefined) => {
      if (!/^[1-9]\d{0,18}$/.test(text))
        throw new InvalidArgumentError("give the numbers of dead letters, from the list.");
      return [...(previous ?? []), text];
    },
  );
}

/** @throws DrawbridgeError `NOTHING_NAMED` (invalid_argument): none is never all */
function assertNamed(ids: readonly string[], { all }: WhichOptions): void {
  if (ids.length > 0 !== (all === true)) return;
  throw new DrawbridgeError({
    kind: "invalid_argument",
    code: "NOTHING_NAMED",
    message: "give the numbers of dead letters, or --all for all of them",
  });
}
