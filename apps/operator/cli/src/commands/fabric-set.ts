import { DrawbridgeError } from "@drawbridge/errors";
import { Command, InvalidArgumentError } from "commander";
import { fabricSchema } from "../api/types.ts";
import { type CommandWorld, outputOf, withApi } from "../command-context.ts";
import { fabricPath } from "./fabric-path.ts";
import { gatekeeperOption, outputOption } from "./options.ts";
import { setGatekeeper } from "./set-gatekeeper.ts";

/** Not null: the parser of options takes that for nothing. */
type Seconds = number | "default";

interface FabricSetOptions {
  readonly clockSkewWarn?: Seconds;
  readonly clockSkewFail?: Seconds;
  readonly gatekeeper?: string;
  readonly output?: "table" | "json";
}

/** `drawbridge fabric set` */
export function fabricSetCommand(world: CommandWorld): Command {
  return new Command("set")
    .description("change a fabric's settings; what is not named stays as it is")
    .argument("<fabric>", "name or id")
    .option("--clock-skew-warn <seconds>", 'alert above this skew of its clock, or "default"', secondsOrDefault)
    .option("--clock-skew-fail <seconds>", 'not synced above this skew of its clock, or "default"', secondsOrDefault)
    .addOption(gatekeeperOption())
    .addOption(outputOption())
    .action(async (name: string, options: FabricSetOptions) => {
      const body = {
        clockSkewWarnSeconds: orNull(options.clockSkewWarn),
        clockSkewFailSeconds: orNull(options.clockSkewFail),
      };
      const isClockSet = Object.values(body).some((value) => value !== undefined);
      if (!isClockSet && options.gatekeeper === undefined)
        throw new DrawbridgeError({
          kind: "invalid_argument",
          code: "NOTHING_TO_UPDATE",
          message: "nothing to set: name at least one of --clock-skew-warn, --clock-skew-fail, --gatekeeper",
        });
      if (options.gatekeeper !== undefined) {
        const path = `${fabricPath(name)}/gatekeeper`;
        await setGatekeeper(world, { ...options, path, what: `fabric ${name}`, level: options.gatekeeper });
      }
      if (!isClockSet) return;
      const changed = await withApi(world, (api) =>
        api.call(fabricPath(name), fabricSchema, { method: "PATCH", body }),
      );
      const { warnSeconds, failSeconds } = changed.clockLimits;
      outputOf(world, options).done(
        `fabric ${changed.name}: its clock may be ${warnSeconds} s off before an alert, ${failSeconds} s before it counts as not synced`,
        changed,
      );
    });
}

function orNull(seconds: Seconds | undefined): number | null | undefined {
  return seconds === "default" ? null : seconds;
}

function secondsOrDefault(text: string): Seconds {
  if (text === "default") return text;
  const seconds = Number(text);
  if (/^\d+$/.test(text) && seconds >= 1 && seconds <= 86_400) return seconds;
  throw new InvalidArgumentError('It must be a whole number of seconds from 1 to 86400, or "default".');
}
