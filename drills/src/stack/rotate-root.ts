import type { TestStack } from "@drawbridge/local/testing";
import { systemClock } from "@drawbridge/lifecycle";
import { rest, type ShownAuthority, showAuthority } from "./rest.ts";

const lookEveryMs = 500;

export type Follower = ShownAuthority["followers"][number];

/** A rotation of the root, from its start until the old root has left the trust bundle. Answers the new root's id. */
export async function rotateRoot(
  stack: TestStack,
  options: {
    readonly say: (line: string) => void;
    /** Who is left behind: the next phase is forced as soon as only those are missing. */
    readonly mayStrand?: (follower: Follower) => boolean;
  },
): Promise<void> {
  const before = activeRoot(await showAuthority(stack));
  await rest(stack, "/v1/ca/rotation", { method: "POST", body: { reason: "drill" } });
  let phase = "";
  for (;;) {
    const authority = await showAuthority(stack).catch(() => undefined); // asked again
    if (authority && authority.phase !== phase) {
      phase = authority.phase;
      options.say(`rotation of the root: ${phase}, ${authority.roots} roots in the trust bundle`);
    }
    if (authority?.phase === "standby" && authority.roots === 1 && activeRoot(authority) !== before) return;
    if (authority && options.mayStrand) await forceIfOnlyThose(stack, authority, options.mayStrand);
    // The CLI learns of new roots whenever it is used.
    await stack.run("whoami");
    await systemClock.sleep(lookEveryMs);
  }
}

async function forceIfOnlyThose(
  stack: TestStack,
  { phase, followers }: ShownAuthority,
  mayStrand: (follower: Follower) => boolean,
): Promise<void> {
  const missing = followers.filter((follower) => follower.live && follower.missing.length > 0);
  if (phase === "standby" || missing.length === 0 || !missing.every(mayStrand)) return;
  const body = { fromPhase: phase, force: true };
  await rest(stack, "/v1/ca/rotation/advance", { method: "POST", body });
}

function activeRoot({ keys }: ShownAuthority): string {
  return keys.find(({ kind, state }) => kind === "root" && state === "active")?.id ?? "";
}
