import { fileURLToPath } from "node:url";

/** Something that a process does on its way through a renewal, as seen from outside its code. */
export type Mark =
  /** A file, folder or link gets its final name; or is removed. The path is matched. */
  | { readonly does: "rename" | "mkdir" | "remove"; readonly matches: string }
  /** A TLS connection is begun. */
  | { readonly does: "connect"; readonly matches: string }
  /** A gRPC call is sent, or answered. The method's path is matched. */
  | { readonly does: "call" | "answered"; readonly matches: string }
  /** A statement is sent to PostgreSQL, or answered. Its text is matched. */
  | { readonly does: "statement" | "statement-answered"; readonly matches: string };

/** Where a process ends itself with SIGKILL: at the last of these marks, after it has passed the others in this order. */
export interface KillPoint {
  readonly marks: readonly Mark[];
  readonly when: "before" | "after";
}

export const killPointVariable = "DRILL_KILL_POINT";

/** For a process of ours that is to end at this point: `kill-at.ts` is loaded before its own code. */
export function killEnvironment(point: KillPoint): Readonly<Record<string, string>> {
  const preload = fileURLToPath(new URL("./kill-at.ts", import.meta.url));
  return { NODE_OPTIONS: `--import=${preload}`, [killPointVariable]: JSON.stringify(point) };
}
