import { spawnSync } from "node:child_process";
import { readFileSync, statSync } from "node:fs";
import { dirname } from "node:path";
import { DrawbridgeError } from "@drawbridge/errors";
import type { AppUsers, RunAs } from "./app-users.ts";

/** What root needs of its might (capabilities(7)), and for what: containers take some of it away. */
const capabilities = [
  { bit: 0, name: "CHOWN" }, // homes of apps
  { bit: 1, name: "DAC_OVERRIDE" }, // removing them
  { bit: 5, name: "KILL" },
  { bit: 6, name: "SETGID" },
  { bit: 7, name: "SETUID" },
  { bit: 19, name: "SYS_PTRACE" }, // seeing in /proc which process of an app listens, and which are left of it
] as const;

/**
 * Make sure that processes can be started as the apps' users and that these can get to `directory`, by doing it once.
 *
 * @throws DrawbridgeError `APP_USER_NOT_ALLOWED` | `STATE_FOLDER_UNUSABLE` (failed_precondition)
 */
export function assertMayRunAs(users: AppUsers, directory: string): string {
  if (users.kind === "agent") return `apps run as the agent's own user (${process.geteuid?.() ?? "unknown"})`;
  const uid = process.geteuid?.();
  if (uid !== 0) {
    throw notAllowed(
      `the agent runs as user ${uid ?? "unknown"}, and only root may start processes as another user. Run the agent as root, or leave DRAWBRIDGE_APP_USER out.`,
    );
  }
  const missing = missingCapabilities();
  if (missing.length > 0) {
    const list = missing.join(", ");
    throw notAllowed(`the agent's root lacks ${list}. Give it back, in a container with --cap-add.`);
  }
  const probe: RunAs = users.kind === "shared" ? users.runAs : { uid: users.from, gid: users.from };
  const { error, status } = spawnSync("test", ["-x", directory], { ...probe, stdio: "ignore", env: { PATH: path } });
  if (error !== undefined || status === null) {
    const code = error !== undefined && "code" in error ? String(error.code) : "it was killed";
    throw notAllowed(`no process can be started as ${probe.uid}:${probe.gid} here (${code}).`);
  }
  if (status !== 0) throw closedFolder(directory, probe);
  return users.kind === "shared"
    ? `apps run as ${probe.uid}:${probe.gid}, all the same: they are kept from the agent, not from each other`
    : `each app runs as a user of its own, from ${users.from} to ${users.to}`;
}

const path = "/usr/local/bin:/usr/bin:/bin";

function missingCapabilities(): readonly string[] {
  const hex = /^CapEff:\s*([0-9a-f]+)$/m.exec(readFileSync("/proc/self/status", "utf8"))?.[1] ?? "0";
  const effective = BigInt(`0x${hex}`);
  return capabilities.filter(({ bit }) => ((effective >> BigInt(bit)) & 1n) === 0n).map(({ name }) => name);
}

function closedFolder(directory: string, { uid, gid }: RunAs): DrawbridgeError {
  const closed = ancestorsOf(directory).find((folder) => (statSync(folder).mode & 0o001) === 0) ?? directory;
  return new DrawbridgeError({
    kind: "failed_precondition",
    code: "STATE_FOLDER_UNUSABLE",
    message: `apps as ${uid}:${gid} cannot get to ${directory}: ${closed} lets other users not even pass. Allow it (chmod o+x ${closed}), or move the state folder with DRAWBRIDGE_STATE_DIR.`,
    details: { directory: closed },
  });
}

/** From the root down, with the folder itself. */
function ancestorsOf(directory: string): readonly string[] {
  const parent = dirname(directory);
  return parent === directory ? [directory] : [...ancestorsOf(parent), directory];
}

function notAllowed(why: string): DrawbridgeError {
  return new DrawbridgeError({
    kind: "failed_precondition",
    code: "APP_USER_NOT_ALLOWED",
    message: `DRAWBRIDGE_APP_USER cannot be followed: ${why}`,
  });
}
