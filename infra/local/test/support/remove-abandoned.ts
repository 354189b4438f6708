import { existsSync } from "node:fs";
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { endOrphan } from "../../src/backing/nats/nats-pid.ts";
import { clearPostmaster } from "../../src/backing/postgres/stale-postmaster.ts";
import { stackLayout } from "../../src/stack/layout.ts";
import { removeState } from "../../src/stack/remove-state.ts";
import { stopApps } from "../../src/stack/stop-apps.ts";

/**
 * Every test stack below this folder whose owner and services are gone already: end what outlives them (PostgreSQL, NATS,
 * apps), then remove the folder.
 */
export async function removeAbandonedStacks(folder: string): Promise<void> {
  for (const entry of await readdir(folder)) {
    const stateDir = join(folder, entry, "state");
    if (existsSync(stateDir)) await endLeftovers(stateDir);
  }
  await removeState(folder);
}

async function endLeftovers(stateDir: string): Promise<void> {
  const layout = stackLayout(stateDir);
  for (const agent of await agentFolders(layout.root)) await stopApps({ ...layout, agent });
  await endOrphan(join(layout.nats, "nats.pid"), join(layout.nats, "nats.conf"));
  await clearPostmaster(join(layout.postgres, "data"));
}

/** The stack's own agent and those beside it. */
async function agentFolders(root: string): Promise<readonly string[]> {
  const entries = await readdir(root, { withFileTypes: true });
  return entries
    .filter((entry) => entry.isDirectory() && existsSync(join(root, entry.name, "cluster")))
    .map((entry) => join(root, entry.name));
}
