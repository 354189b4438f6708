import { gatewayDirectory, gatewayPaths, readRoutes } from "@drawbridge/app-routes";
import { DrawbridgeError } from "@drawbridge/errors";
import { orderGatewayRestart } from "../cluster/process/gateways/restart-order.ts";
import { lockHolder } from "../state/run-lock.ts";
import { createCommandContext, type CommandWorld, type CommonOptions } from "./command-context.ts";
import { exitCode } from "./exit-code.ts";

/**
 * `drawbridge-agent restart-gateways`: have the running agent replace every gateway by a new process, one after the other.
 * @throws DrawbridgeError `AGENT_NOT_RUNNING` | `GATEWAYS_NOT_RUNNING` (failed_precondition)
 */
export async function restartGatewaysCommand(world: CommandWorld, options: CommonOptions): Promise<number> {
  const { layout, clock, out } = createCommandContext(world, options);
  if ((await lockHolder(layout.lock)) === undefined) {
    throw new DrawbridgeError({
      kind: "failed_precondition",
      code: "AGENT_NOT_RUNNING",
      message:
        "the agent does not run on this state folder, and it is what starts gateways: start it with `drawbridge-agent run`",
    });
  }
  const directory = gatewayDirectory(layout.cluster);
  if ((readRoutes(gatewayPaths(directory).routes)?.apps.length ?? 0) === 0) {
    throw new DrawbridgeError({
      kind: "failed_precondition",
      code: "GATEWAYS_NOT_RUNNING",
      message: "no gateway runs in this fabric: no app here is served by one",
    });
  }
  orderGatewayRestart(directory, clock.now());
  out(
    "Ordered: each gateway goes when another one has taken its place. `drawbridge gate list` names those that run.\n",
  );
  return exitCode.ok;
}
