import { chown, mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DrawbridgeError } from "@drawbridge/errors";
import { pathExists } from "../path-exists.ts";
import { runCommand } from "../run-command.ts";
import type { PostgresBinaries } from "./binaries.ts";
import type { RunAs } from "./run-as.ts";

export const adminUser = "drawbridge_admin";

/**
 * How PostgreSQL is told its data directory. As another user on Linux it may not be able to walk there (a state folder
 * below a 0700 home), but it may use the folder it is started in: /proc/self/cwd names that without a walk. The server
 * changes into its data directory at once, so that the name keeps its meaning.
 */
export function dataDirArgument(dataDir: string, runAs: RunAs): string {
  return runAs.user === "other" && process.platform === "linux" ? "/proc/self/cwd" : dataDir;
}

/** Make a database cluster unless one is there. Locale and encoding do not depend on the machine. */
export async function initialiseDataDir(options: {
  readonly binaries: PostgresBinaries;
  readonly dataDir: string;
  readonly password: string;
  readonly runAs: RunAs;
}): Promise<void> {
  const { dataDir, runAs } = options;
  if (await pathExists(join(dataDir, "PG_VERSION"))) return;
  await rm(dataDir, { recursive: true, force: true }); // what an interrupted attempt left: initdb wants it empty
  await mkdir(dataDir, { recursive: true, mode: 0o700 });
  const passwordDir = await mkdtemp(join(tmpdir(), "drawbridge-initdb-"));
  const passwordFile = join(passwordDir, "password");
  try {
    await writeFile(passwordFile, `${options.password}\n`, { mode: 0o600 });
    if (runAs.user === "other") {
      for (const path of [dataDir, passwordDir, passwordFile]) await chown(path, runAs.uid, runAs.gid);
    }
    const result = await runCommand(
      options.binaries.initdb,
      [
        `--pgdata=${dataDirArgument(dataDir, runAs)}`,
        `--username=${adminUser}`,
        `--pwfile=${passwordFile}`,
        "--auth=scram-sha-256",
        "--encoding=UTF8",
        "--locale=C",
        "--locale-provider=builtin",
        "--builtin-locale=C.UTF-8",
        "--no-instructions",
      ],
      { cwd: dataDir, ...(runAs.user === "other" ? { uid: runAs.uid, gid: runAs.gid } : {}) },
    );
    if (result.outcome === "exited" && result.exitCode === 0) return;
    const output = result.outcome === "exited" ? result.stderr.trim() : `${options.binaries.initdb} is not there`;
    throw new DrawbridgeError({
      kind: "failed_precondition",
      code: "LOCAL_POSTGRES_INIT",
      message: `initdb could not make a database in ${dataDir}:\n${output}`,
    });
  } finally {
    await rm(passwordDir, { recursive: true, force: true });
  }
}
