import { spawn } from "node:child_process";
import { once } from "node:events";
import { chmod, mkdtemp } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { removeAbandonedStacks } from "@drawbridge/local/testing";
import { endTree } from "./end-tree.ts";

/** How the program ended. */
export type Ending = { readonly ended: "by itself"; readonly exitCode: number } | { readonly ended: "interrupted" };

/**
 * Run a program that starts stacks, and leave nothing of it behind, however it ends: no process and no folder. Its temporary folder is
 * one of its own, and it leads a process group of its own, so that Ctrl-C in a terminal reaches us only.
 */
export async function runGuarded(options: {
  readonly program: string;
  readonly args: readonly string[];
  readonly env: NodeJS.ProcessEnv;
  /** Aborts to end it at once. */
  readonly signal: AbortSignal;
}): Promise<Ending> {
  const folder = await mkdtemp(join(tmpdir(), "drawbridge-drill-"));
  await chmod(folder, 0o711); // like the system's: what is made in it keeps others out, and PostgreSQL runs as another user
  const child = spawn(process.execPath, [options.program, ...options.args], {
    detached: true,
    stdio: ["ignore", "inherit", "inherit"],
    env: { ...options.env, TMPDIR: folder },
  });
  const exited = once(child, "exit") as Promise<[number | null]>;
  const interrupted = Promise.withResolvers<"interrupted">();
  const onAbort = (): void => interrupted.resolve("interrupted");
  options.signal.addEventListener("abort", onAbort, { once: true });
  if (options.signal.aborted) onAbort();
  try {
    const first = await Promise.race([exited, interrupted.promise]);
    return first === "interrupted" ? { ended: first } : { ended: "by itself", exitCode: first[0] ?? 1 };
  } finally {
    options.signal.removeEventListener("abort", onAbort);
    if (child.pid !== undefined) await endTree(child.pid);
    await removeAbandonedStacks(folder);
  }
}
