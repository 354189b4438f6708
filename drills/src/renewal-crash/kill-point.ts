import { rm, writeFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";

/** Something that a process does on its way through a renewal, as seen from outside its code. */
export type Mark =
  /** A file, folder or link gets its final name; or is made; or is removed. The path is matched. */
  | { readonly does: "rename" | "mkdir" | "remove"; readonly matches: string }
  /** A TLS connection is begun. host:port is matched. */
  | { readonly does: "connect"; readonly matches: string }
  /** A gRPC call is sent, or answered. The method's path is matched. */
  | { readonly does: "call" | "answered"; readonly matches: string }
  /** A statement, or its values, is sent to PostgreSQL, or answered: those of one point on one connection. The text is matched. */
  | { readonly does: "statement" | "statement-answered"; readonly matches: string };

/** Where a process ends itself with SIGKILL: at the last of these marks, after it has passed the others in this order. */
export interface KillPoint {
  readonly marks: readonly Mark[];
  readonly when: "before" | "after";
}

export const killFileVariable = "DRILL_KILL_FILE";

/** A process that was started with this environment dies at the point that is in the file, once. */
export function killEnvironment(file: string): Readonly<Record<string, string>> {
  const preload = fileURLToPath(new URL("./kill-at.ts", import.meta.url));
  return { NODE_OPTIONS: `--import=${preload}`, [killFileVariable]: file };
}

/** From now on the process dies there. */
export async function arm(file: string, point: KillPoint): Promise<void> {
  await writeFile(file, JSON.stringify(point));
}

/** Not any more. */
export async function disarm(file: string): Promise<void> {
  await rm(file, { force: true });
}
