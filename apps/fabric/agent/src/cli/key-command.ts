import { mkdir } from "node:fs/promises";
import { spkiSha256 } from "@drawbridge/pki";
import { alreadyActivated } from "../activation/activate.ts";
import { createIdentityStore } from "../identity/identity-store.ts";
import { acquireLock } from "../state/run-lock.ts";
import { createCommandContext, type CommandWorld, type CommonOptions } from "./command-context.ts";
import { exitCode } from "./exit-code.ts";

/**
 * `drawbridge-agent key`: the key that `activate` will use, made if there is none, so that an operator can make a token for
 * it alone. @throws DrawbridgeError `AGENT_ALREADY_ACTIVATED`
 */
export async function keyCommand(world: CommandWorld, options: CommonOptions): Promise<number> {
  const { layout, clock, logger } = createCommandContext(world, options);
  await mkdir(layout.root, { recursive: true, mode: 0o700 });
  const lock = await acquireLock({ path: `${layout.lock}.activate`, purpose: "An activation", now: clock.now() });
  try {
    const identities = createIdentityStore({ directory: layout.identity, clock, logger });
    const existing = await identities.load();
    if (existing) throw alreadyActivated(existing.meta);
    world.out(`${spkiSha256((await identities.nextKey()).spkiDer)}\n`);
    return exitCode.ok;
  } finally {
    await lock.release();
  }
}
