import { createHash } from "node:crypto";
import type { AppId } from "./ids.ts";

/** An agent refuses to remove more than half of at least this many apps without a prune token (design R16). */
const fewestApps = 3;

export interface DeletedApp {
  readonly appId: AppId;
  /** Operator's request that deleted it; empty if the row was marked by anything else. */
  readonly requestId: string;
}

/**
 * The token that allows an agent to remove more than half of its apps; empty where none is needed or none is deserved.
 *
 * It is deserved only when every tombstone was made by an operator's own DeleteApp request: a restored backup, a bug or a
 * hand-written UPDATE that marks apps as deleted carries no request id and gets no token, so the agent keeps the apps.
 * Bound to the exact set of tombstones and the record's incarnation, and the same for every replica and every restart.
 */
export function pruneToken(options: {
  readonly incarnationId: string;
  readonly fabricId: string;
  readonly liveApps: number;
  readonly deleted: readonly DeletedApp[];
}): string {
  const { deleted, liveApps } = options;
  const all = liveApps + deleted.length;
  if (all < fewestApps || deleted.length * 2 <= all) return "";
  if (deleted.some((app) => app.requestId === "")) return "";
  const hash = createHash("sha256").update(`drawbridge prune v1\n${options.incarnationId}\n${options.fabricId}\n`);
  const lines = deleted.map((app) => `${app.appId} ${app.requestId}\n`);
  for (const line of lines.toSorted()) hash.update(line);
  return `prune1.${hash.digest("base64url")}`;
}
