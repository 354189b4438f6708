import { Command } from "commander";
import type { ApiClient } from "../api/client.ts";
import { listAll } from "../api/paging.ts";
import { appSchema, type GatekeeperLevel, gatekeeperLevelSchema } from "../api/types.ts";
import { type CommandWorld, outputOf, type OutputOptions, withApi } from "../command-context.ts";
import { outputOption } from "./options.ts";

/** Levels of environments and fabrics. */
export function listGatekeeperLevels(api: ApiClient): Promise<readonly GatekeeperLevel[]> {
  return listAll(api, "/v1/gatekeeper-levels", gatekeeperLevelSchema);
}

/** What is set there; "" for nothing. */
export function levelOf(levels: readonly GatekeeperLevel[], kind: "environment" | "fabric", name: string): string {
  return levels.find((one) => one.kind === kind && one.name === name)?.level ?? "";
}

/** `drawbridge gate levels` */
export function gateLevelsCommand(world: CommandWorld): Command {
  return new Command("levels")
    .description(
      "list the gatekeeper levels that are set for environments, fabrics and apps; the nearest counts: app, environment, fabric",
    )
    .addOption(outputOption())
    .action(async (options: OutputOptions) => {
      const levels = await withApi(world, async (api) => {
        const apps = await listAll(api, "/v1/apps", appSchema);
        const ofApps = apps.flatMap(({ name, environment, gatekeeper }) =>
          gatekeeper?.source === "app"
            ? [{ kind: "app", name: `${name}@${environment}`, level: gatekeeper.level }]
            : [],
        );
        return [...(await listGatekeeperLevels(api)), ...ofApps];
      });
      outputOf(world, options).list(
        [
          { title: "SET FOR", value: (row) => row.kind },
          { title: "NAME", value: (row) => row.name },
          { title: "LEVEL", value: (row) => row.level },
        ],
        levels,
        { empty: "no level is set anywhere: each app has the default of its runtime version" },
      );
    });
}
