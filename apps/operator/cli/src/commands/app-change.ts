import { Command } from "commander";
import { DrawbridgeError, isDrawbridgeError } from "@drawbridge/errors";
import { appSchema } from "../api/types.ts";
import { type CommandWorld, outputOf, withApi } from "../command-context.ts";
import { appPath } from "./app-path.ts";
import { followRollout, type WaitOptions } from "./follow-rollout.ts";
import { environmentOption, outputOption, timeoutOption, waitOption, wholeNumber } from "./options.ts";

interface ChangeOptions extends WaitOptions {
  readonly environment: string;
  readonly output?: "table" | "json";
}

/** start, stop, restart, scale, rollback, delete: one request each, then the same roll-out to watch. */
export function changeCommands(world: CommandWorld): readonly Command[] {
  return [
    changing(world, "start", "start an app that was stopped"),
    changing(world, "stop", "stop an app; its bundle and configuration stay"),
    changing(world, "restart", "restart all replicas, one after the other"),
    withCommonOptions(
      new Command("scale")
        .description("change the number of replicas")
        .argument("<app>", "name")
        .argument("<replicas>", "0 to 100", wholeNumber(0, 100)),
    ).action((name: string, replicas: number, options: ChangeOptions) =>
      change(world, { name, verb: "scale", body: { replicas } }, options),
    ),
    withCommonOptions(
      new Command("rollback")
        .description("go back to an earlier revision")
        .argument("<app>", "name")
        .option(
          "--to <revision>",
          "revision to go back to (default: the last one that served and has other content)",
          wholeNumber(1, Number.MAX_SAFE_INTEGER),
        ),
    ).action((name: string, options: ChangeOptions & { to?: number }) =>
      change(
        world,
        { name, verb: "rollback", body: options.to === undefined ? {} : { toRevision: options.to } },
        options,
      ),
    ),
    withCommonOptions(
      new Command("delete").description("delete an app from its fabric").argument("<app>", "name"),
    ).action((name: string, options: ChangeOptions) => remove(world, name, options)),
  ];
}

function withCommonOptions(command: Command): Command {
  return command
    .addOption(environmentOption())
    .addOption(waitOption())
    .addOption(timeoutOption())
    .addOption(outputOption());
}

function changing(world: CommandWorld, verb: string, description: string): Command {
  return withCommonOptions(new Command(verb).description(description).argument("<app>", "name")).action(
    (name: string, options: ChangeOptions) => change(world, { name, verb, body: {} }, options),
  );
}

async function change(
  world: CommandWorld,
  request: { readonly name: string; readonly verb: string; readonly body: object },
  options: ChangeOptions,
): Promise<void> {
  const output = outputOf(world, options);
  await withApi(world, async (api) => {
    const path = `${appPath(options.environment, request.name)}/${request.verb}`;
    const changed = await api.call(path, appSchema, { method: "POST", body: request.body });
    const app = await followRollout({ world, api, output }, changed, options);
    output.fields(
      [
        ["App", `${app.name} in ${app.environment}`],
        ["Revision", `${app.revision} (version ${app.version})`],
        ["Wish", `${app.desiredState}, ${app.replicas} replica(s)`],
        ["Phase", app.status?.phase ?? "pending"],
      ],
      app,
    );
  });
}

const pollMs = 300;

async function remove(world: CommandWorld, name: string, options: ChangeOptions): Promise<void> {
  const output = outputOf(world, options);
  await withApi(world, async (api) => {
    const path = appPath(options.environment, name);
    const deleting = await api.call(path, appSchema, { method: "DELETE" });
    if (options.wait !== true) {
      output.done(`${name} will be removed from its fabric`, deleting);
      return;
    }
    const giveUpAtMs = world.clock.monotonicMs() + options.timeout * 1000;
    while (world.clock.monotonicMs() < giveUpAtMs) {
      try {
        const app = await api.call(path, appSchema);
        output.progress(
          app.statusCurrent
            ? `fabric ${app.fabric} is removing it`
            : `fabric ${app.fabric} is not connected; it is removed when it is back`,
        );
      } catch (error) {
        if (!isDrawbridgeError(error) || error.kind !== "not_found") throw error;
        output.progressDone();
        output.done(`${name} is removed`, deleting);
        return;
      }
      await world.clock.sleep(pollMs, world.signal);
    }
    output.progressDone();
    throw new DrawbridgeError({
      kind: "deadline_exceeded",
      code: "ROLLOUT_TIMEOUT",
      message: `${name} is still being removed after ${options.timeout} s, which goes on; look with "drawbridge app show ${name} -e ${options.environment}"`,
    });
  });
}
