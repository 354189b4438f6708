import { DrawbridgeError } from "@drawbridge/errors";
import { type Command, Option } from "commander";
import { type Api, apiSchema } from "../api/apis-types.ts";
import { type CommandWorld, outputOf, withApi } from "../command-context.ts";
import { type ApiRef, apiPath, apiText, type OneApi, oneApi, withEnvironment } from "./api-ref.ts";
import { commaSeparated } from "./options.ts";

interface ApiSetOptions extends OneApi {
  readonly description?: string;
  readonly autoApprove?: string;
  readonly observeRoutes?: string;
  readonly routeWords?: readonly string[];
  readonly analytics?: string;
}

/** `drawbridge api set` */
export function apiSetCommand(world: CommandWorld): Command {
  return oneApi("set", "change an API instance; what is not named stays as it is")
    .option("--description <text>", "what it is for")
    .addOption(switchOption("--auto-approve", "approve contracts as soon as they are requested"))
    .addOption(
      switchOption(
        "--observe-routes",
        'have gateways report which routes its apps answer, as templates of common words and "{}"; off forgets them',
      ),
    )
    .option(
      "--route-words <words>",
      'words of its own that may stand in those templates where a fabric\'s owner allows it, "dunning,claimant"; they replace the earlier ones, "" takes them away',
      commaSeparated,
    )
    .addOption(analyticsOption())
    .addHelpText(
      "after",
      "\nExample:\n  drawbridge api set orders:v1 --observe-routes on --route-words dunning,claimant",
    )
    .action(async (given: ApiRef, options: ApiSetOptions) => {
      const ref = withEnvironment(given, options.environment);
      const body = {
        ...(options.description === undefined ? {} : { description: options.description }),
        ...(options.autoApprove === undefined ? {} : { autoApprove: options.autoApprove === "on" }),
        ...(options.observeRoutes === undefined ? {} : { observeRoutes: options.observeRoutes === "on" }),
        ...(options.routeWords === undefined ? {} : { routeWords: options.routeWords }),
        ...(options.analytics === undefined ? {} : { analytics: options.analytics }),
      };
      if (Object.keys(body).length === 0) throw nothingToSet();
      const changed = await withApi(world, (client) => client.call(apiPath(ref), apiSchema, { method: "PATCH", body }));
      const now = [`its routes are ${observation(changed)}`, ...analyticsText(changed)].join("; ");
      outputOf(world, options).done(`${apiText(ref)} is changed; ${now}`, changed);
    });
}

export function observation({ observeRoutes, routeWords }: Api): string {
  if (!observeRoutes) return "not observed";
  return routeWords.length === 0 ? "observed" : `observed, with the words ${routeWords.join(", ")}`;
}

/** What its environment allows, or nothing: an API cannot tell more. */
export const analyticsOption = (): Option =>
  new Option(
    "--analytics <word>",
    "what of its requests is told: inherit (what its environment allows), or off (nothing)",
  ).choices(["inherit", "off"]);

/** Empty: of a server that does not say so yet. */
export function analyticsText({ analytics, analyticsTold }: Api): readonly string[] {
  if (analytics === undefined || analyticsTold === undefined) return [];
  if (analyticsTold) return ["its requests are told as its environment allows"];
  return [analytics === "off" ? "its requests are not told" : "its requests are not told: its environment is off"];
}

const switchOption = (name: string, description: string): Option =>
  new Option(`${name} <on|off>`, description).choices(["on", "off"]);

function nothingToSet(): DrawbridgeError {
  return new DrawbridgeError({
    kind: "invalid_argument",
    code: "NOTHING_TO_UPDATE",
    message:
      "nothing to set: name at least one of --description, --auto-approve, --observe-routes, --route-words, --analytics",
  });
}
