import { DrawbridgeError } from "@drawbridge/errors";
import { stopEverything } from "../cluster/process/stop-everything.ts";
import { lockHolder } from "../state/run-lock.ts";
import { createCommandContext, type CommandWorld, type CommonOptions } from "./command-context.ts";
import { exitCode } from "./exit-code.ts";

/** `drawbridge-agent stop-apps`: end every process that the agent left running. The next `run` brings the apps up again. */
export async function stopAppsCommand(world: CommandWorld, options: CommonOptions): Promise<number> {
  const { layout, clock } = createCommandContext(world, options);
  const pid = await lockHolder(layout.lock);
  if (pid !== undefined) {
    throw new DrawbridgeError({
      kind: "failed_precondition",
      code: "STATE_FOLDER_IN_USE",
      message: `the agent runs on this state folder (process ${pid}) and would start the apps again: stop it first`,
      details: { pid: String(pid) },
    });
  }
  await stopEverything(layout.cluster, { clock });
  world.out("No app of this state folder runs any more; `drawbridge-agent run` brings them up again.\n");
  return exitCode.ok;
}
