import { gatekeeperSettingSchema } from "../api/types.ts";
import { type CommandWorld, outputOf, withApi } from "../command-context.ts";

/** Set the level of an environment or a fabric. */
export async function setGatekeeper(
  world: CommandWorld,
  change: {
    readonly path: string;
    /** "environment production". */
    readonly what: string;
    /** "default": none. */
    readonly level: string;
    readonly output?: "table" | "json";
  },
): Promise<void> {
  const { path, what, level } = change;
  const setting = await withApi(world, (api) =>
    api.call(path, gatekeeperSettingSchema, { method: "PUT", body: { level: level === "default" ? null : level } }),
  );
  const counts = "it counts for each app from its next deployment or restart on";
  outputOf(world, change).done(
    setting.level === null
      ? `${what} sets no gatekeeper level any more; ${counts}`
      : `gatekeeper level of ${what}: ${setting.level}; ${counts}`,
    setting,
  );
}
