import { readFile } from "node:fs/promises";
import { DrawbridgeError } from "@drawbridge/errors";
import type { LocalProgress } from "../local-progress.ts";
import { runCommand } from "../run-command.ts";

/** Whom PostgreSQL runs as: itself refuses root. */
export type RunAs = { readonly user: "self" } | { readonly user: "other"; readonly uid: number; readonly gid: number };

/** The first that exists is used; the last is made when none does. */
const userNames = ["postgres", "drawbridge-postgres"] as const;

/**
 * As root a system user is needed: `postgres` where the machine has one, else `drawbridge-postgres`, made here.
 * @throws DrawbridgeError `LOCAL_POSTGRES_USER` (failed_precondition)
 */
export async function choosePostgresUser(progress: LocalProgress): Promise<RunAs> {
  if (process.getuid?.() !== 0) return { user: "self" };
  const existing = await findUser();
  if (existing) return existing;
  const name = userNames[1];
  progress.progress(`creating the system user ${name}: PostgreSQL refuses to run as root`);
  const attempts = [
    ["useradd", "--system", "--user-group", "--no-create-home", "--shell", "/usr/sbin/nologin", name],
    ["adduser", "-S", "-D", "-H", "-s", "/sbin/nologin", name],
  ] as const;
  for (const [command, ...args] of attempts) {
    await runCommand(command, args);
    const created = await findUser();
    if (created) return created;
  }
  throw new DrawbridgeError({
    kind: "failed_precondition",
    code: "LOCAL_POSTGRES_USER",
    message: `PostgreSQL refuses to run as root, and no user could be made for it. Create one ("useradd --system ${name}"), or run as an ordinary user.`,
  });
}

async function findUser(): Promise<RunAs | undefined> {
  const users = (await readFile("/etc/passwd", "utf8")).split("\n").map((line) => line.split(":"));
  for (const name of userNames) {
    const entry = users.find((fields) => fields[0] === name);
    if (entry) return { user: "other", uid: Number(entry[2]), gid: Number(entry[3]) };
  }
  return undefined;
}
