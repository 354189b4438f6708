import { DrawbridgeError } from "@drawbridge/errors";
import { createIdentityStore, type IdentityStore } from "../identity/identity-store.ts";
import { orderRenewal } from "../renewal/renew-order.ts";
import { createJsonFile } from "../state/json-file.ts";
import { lockHolder } from "../state/run-lock.ts";
import { runStatusSchema } from "../state/run-status.ts";
import { createCommandContext, type CommandWorld, type CommonOptions } from "./command-context.ts";
import { exitCode } from "./exit-code.ts";

export interface RenewCommandOptions extends CommonOptions {
  readonly now?: true;
  readonly timeoutSeconds: number;
}

const lookMs = 250;

/**
 * `drawbridge-agent renew --now`: have the running agent renew both certificates, and wait until it has.
 * @throws DrawbridgeError `AGENT_NOT_RUNNING` (failed_precondition) | `RENEWAL_NOT_DONE` (unavailable)
 */
export async function renewCommand(world: CommandWorld, options: RenewCommandOptions): Promise<number> {
  if (options.now !== true) {
    world.err("error: certificates are renewed by themselves; say --now to have it done at once\n");
    return exitCode.usage;
  }
  const { layout, clock, signal, logger, out } = createCommandContext(world, options);
  const files = { clock, logger };
  if ((await lockHolder(layout.lock)) === undefined) throw notRunning();
  const stores = {
    tunnel: createIdentityStore({ directory: layout.identity, ...files }),
    monitoring: createIdentityStore({ directory: layout.monitoring, ...files }),
  };
  const before = await serialsOf(stores);
  await orderRenewal(layout.renewOrder, clock.now());
  const endsAtMs = clock.monotonicMs() + options.timeoutSeconds * 1_000;
  for (;;) {
    const after = await serialsOf(stores);
    const isDone =
      after.tunnel !== before.tunnel && (before.monitoring === undefined || after.monitoring !== before.monitoring);
    if (isDone) {
      out(`Renewed: tunnel certificate ${after.tunnel}, monitoring certificate ${after.monitoring ?? "none"}.\n`);
      return exitCode.ok;
    }
    if (clock.monotonicMs() >= endsAtMs) break;
    await clock.sleep(lookMs, signal);
  }
  const status = await createJsonFile({ path: layout.runStatus, schema: runStatusSchema, ...files }).read();
  const failures = (status?.certificates ?? []).flatMap(({ purpose, lastFailure }) =>
    lastFailure === "" ? [] : `${purpose}: ${lastFailure}`,
  );
  throw new DrawbridgeError({
    kind: "unavailable",
    code: "RENEWAL_NOT_DONE",
    message: `not renewed within ${options.timeoutSeconds} s (${failures.join(", ") || `tunnel ${status?.tunnel.status ?? "unknown"}`}); the present certificates stay in use and the agent goes on trying`,
  });
}

async function serialsOf(stores: {
  readonly tunnel: Pick<IdentityStore, "load">;
  readonly monitoring: Pick<IdentityStore, "load">;
}): Promise<{ readonly tunnel: string | undefined; readonly monitoring: string | undefined }> {
  const [tunnel, monitoring] = await Promise.all([stores.tunnel.load(), stores.monitoring.load()]);
  return { tunnel: tunnel?.meta.serialNumber, monitoring: monitoring?.meta.serialNumber };
}

function notRunning(): DrawbridgeError {
  return new DrawbridgeError({
    kind: "failed_precondition",
    code: "AGENT_NOT_RUNNING",
    message:
      "the agent does not run on this state folder, and certificates are renewed over its tunnel: start it with `drawbridge-agent run`",
  });
}
