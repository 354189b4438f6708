import { DrawbridgeError } from "@drawbridge/errors";
import { Command } from "commander";
import { receiverSchema, receiverTestSchema } from "../api/alert-types.ts";
import { pageOf } from "../api/types.ts";
import { type CommandWorld, outputOf, type OutputOptions, withApi } from "../command-context.ts";
import { formatDuration } from "../output/format.ts";
import { alertEnvironmentOption, alertPath } from "./alert-path.ts";
import { outputOption } from "./options.ts";

interface OfEnvironment extends OutputOptions {
  readonly environment: string;
}

/** `drawbridge alert receivers` */
export function alertReceiversCommand(world: CommandWorld): Command {
  return new Command("receivers")
    .description("list whom rules of an environment may have told")
    .addOption(alertEnvironmentOption())
    .addOption(outputOption())
    .action(async (options: OfEnvironment) => {
      const path = alertPath(options.environment, "alert-receivers");
      const { items } = await withApi(world, (api) => api.call(path, pageOf(receiverSchema)));
      outputOf(world, options).list(
        [
          { title: "RECEIVER", value: ({ name }) => name },
          { title: "KIND", value: ({ kind }) => kind },
          { title: "WHERE", value: ({ target }) => target },
        ],
        items,
        { empty: "there are no receivers: the operator of the control plane has a file of them (docs/alerts.md)" },
      );
    });
}

/** `drawbridge alert test <receiver>` */
export function alertTestCommand(world: CommandWorld): Command {
  return new Command("test")
    .description("send a receiver a test notification and say what came back")
    .argument("<receiver>", "from alert receivers")
    .addOption(alertEnvironmentOption())
    .addOption(outputOption())
    .action(async (receiver: string, options: OfEnvironment) => {
      const path = alertPath(options.environment, "alert-receivers", receiver, "test");
      const answer = await withApi(world, (api) => api.call(path, receiverTestSchema, { method: "POST" }));
      if (!answer.delivered) throw notTold(receiver, answer.problem);
      outputOf(world, options).done(`${receiver} took it within ${formatDuration(answer.tookMs)}`, answer);
    });
}

function notTold(receiver: string, problem: string | null): DrawbridgeError {
  return new DrawbridgeError({
    kind: "failed_precondition",
    code: "ALERT_RECEIVER_NOT_TOLD",
    message: `${receiver} could not be told: ${problem ?? "nobody knows why"}`,
  });
}
