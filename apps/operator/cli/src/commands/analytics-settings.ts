import { DrawbridgeError } from "@drawbridge/errors";
import { Command, Option } from "commander";
import { type AnalyticsSettings, analyticsSettingsSchema } from "../api/apis-types.ts";
import { type CommandWorld, outputOf, type OutputOptions, withApi } from "../command-context.ts";
import { formatTime } from "../output/format.ts";
import { commaSeparated, outputOption } from "./options.ts";

interface OfEnvironment extends OutputOptions {
  readonly environment: string;
}

interface SetOptions extends OfEnvironment {
  readonly analytics?: string;
  readonly clientAddress?: string;
  readonly userAgent?: string;
  readonly geography?: string;
  readonly routeWords?: readonly string[];
}

/** `drawbridge analytics settings`: what of requests leaves the fabrics. */
export function analyticsSettingsCommand(world: CommandWorld): Command {
  const settings = new Command("settings").description("how much of the requests of an environment's APIs is told");
  for (const command of [show, set]) settings.addCommand(command(world));
  return settings;
}

function show(world: CommandWorld): Command {
  return ofEnvironment("show", "show how much of the requests of an environment's APIs is told").action(
    async (options: OfEnvironment) => {
      const found = await withApi(world, (client) => client.call(settingsPath(options), analyticsSettingsSchema));
      outputOf(world, options).fields(fieldsOf(found), found);
    },
  );
}

function set(world: CommandWorld): Command {
  return ofEnvironment("set", "set how much of the requests of an environment's APIs is told; what is not named stays")
    .addOption(choice("--analytics <on|off>", "tell requests at all", ["on", "off"]))
    .addOption(
      choice(
        "--client-address <detail>",
        "how much of a client's address leaves the fabric: none; hashed (a key of the day that stays in the gateway); truncated (/24 of IPv4, /48 of IPv6); full",
        ["none", "hashed", "truncated", "full"],
      ),
    )
    .addOption(choice("--user-agent <on|off>", "tell browser, system and device", ["on", "off"]))
    .addOption(
      choice("--geography <detail>", "what is concluded from an address that is truncated or full", [
        "none",
        "country",
        "city",
      ]),
    )
    .option(
      "--route-words <words>",
      'words of its own that may stand in paths besides the common ones, "dunning,claimant"; they replace the earlier ones, "" takes them away',
      commaSeparated,
    )
    .addHelpText(
      "after",
      "\nAn API can tell less than its environment, never more: drawbridge api set <api> --analytics off\n\nExample:\n  drawbridge analytics settings set --environment production --client-address hashed --user-agent off",
    )
    .action(async (options: SetOptions) => {
      const body = bodyOf(options);
      if (Object.keys(body).length === 0) throw nothingToSet();
      const changed = await withApi(world, (client) =>
        client.call(settingsPath(options), analyticsSettingsSchema, { method: "PUT", body }),
      );
      const output = outputOf(world, options);
      output.done(`analytics of ${changed.environment} are set; ${countText(changed)}`, changed);
      for (const warning of changed.warnings) output.note(`warning: ${warning}`);
    });
}

function bodyOf({ analytics, clientAddress, userAgent, geography, routeWords }: SetOptions) {
  return {
    ...(analytics === undefined ? {} : { isOn: analytics === "on" }),
    ...(clientAddress === undefined ? {} : { clientAddress }),
    ...(userAgent === undefined ? {} : { userAgent: userAgent === "on" }),
    ...(geography === undefined ? {} : { geography }),
    ...(routeWords === undefined ? {} : { routeWords }),
  };
}

function fieldsOf(settings: AnalyticsSettings): [string, string][] {
  const { environment, isOn, clientAddress, userAgent, geography, routeWords, updatedAt, updatedBy } = settings;
  return [
    ["Environment", environment],
    ["Told", `${isOn ? "on" : "off"}; ${countText(settings)}`],
    ["Client address", clientAddress],
    ["User agent", userAgent ? "on" : "off"],
    ["Geography", geography],
    ["Words", routeWords.join(", ") || "only the common ones"],
    ...settings.warnings.map((warning): [string, string] => ["Warning", warning]),
    ["Changed", updatedAt === null ? "never: these are the defaults" : `${formatTime(updatedAt)} by ${updatedBy}`],
  ];
}

function countText({ apisTold, apisOff }: AnalyticsSettings): string {
  return `requests of ${apisTold} API(s) are told, ${apisOff} API(s) say no`;
}

function settingsPath({ environment }: OfEnvironment): string {
  return `/v1/environments/${encodeURIComponent(environment)}/analytics/settings`;
}

const ofEnvironment = (verb: string, description: string): Command =>
  new Command(verb)
    .description(description)
    .addOption(
      new Option("-e, --environment <name>", "environment of the APIs")
        .env("DRAWBRIDGE_ENVIRONMENT")
        .default("production"),
    )
    .addOption(outputOption());

const choice = (flags: string, description: string, choices: readonly string[]): Option =>
  new Option(flags, description).choices([...choices]);

function nothingToSet(): DrawbridgeError {
  return new DrawbridgeError({
    kind: "invalid_argument",
    code: "NOTHING_TO_UPDATE",
    message:
      "nothing to set: name at least one of --analytics, --client-address, --user-agent, --geography, --route-words",
  });
}
