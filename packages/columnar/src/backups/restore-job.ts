import { mkdir, readdir, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { filePath, loadConfigOrExit, telemetryFields } from "@drawbridge/config";
import { syncFolder } from "@drawbridge/durable-files";
import { isDrawbridgeError } from "@drawbridge/errors";
import { createLogger } from "@drawbridge/telemetry";
import { z } from "zod";
import { refused } from "../columnar-errors.ts";
import type { ColumnarLogger } from "../columnar-logger.ts";
import { openColumnarStore } from "../open-columnar-store.ts";
import type { TableStats } from "../table-stats.ts";

const schema = z.object({
  ...telemetryFields(),
  DATA_DIR: filePath().meta({ description: "the service's folder, which must be empty" }),
});

const startMs = 60_000;
const stopMs = 30_000;

/**
 * The whole job: a backup of `createStoreBackups` becomes the store of a service that does not run. Exit code 0 when it is
 * whole, 1 when nothing was changed, 2 when it was called wrongly.
 */
export async function runRestoreJob(job: {
  readonly service: string;
  /** Of the command line, without the program: the path of the backup. */
  readonly args: readonly string[];
  readonly env: NodeJS.ProcessEnv;
  /** Settings of the service, which may be in the same environment. */
  readonly settings: readonly string[];
}): Promise<number> {
  const [backup, ...rest] = job.args;
  if (backup === undefined || rest.length > 0) {
    process.stderr.write("usage: node src/restore.ts <folder of the backup>\n");
    return 2;
  }
  const program = `${job.service}-restore`;
  const config = loadConfigOrExit({ program, schema, env: job.env, foreign: job.settings });
  const logger = createLogger({ service: job.service, level: config.LOG_LEVEL, format: config.LOG_FORMAT });
  try {
    for (const { table, rows } of await restoreStore({ backup, dataDirectory: config.DATA_DIR, logger })) {
      process.stdout.write(`${table}: ${rows} rows\n`);
    }
    return 0;
  } catch (error) {
    if (!isDrawbridgeError(error)) throw error;
    process.stderr.write(`${program}: ${error.message} (${error.code})\n`);
    return 1;
  }
}

/**
 * Makes `dataDirectory/store` of a backup; it has that name only when it is whole. The folder must hold nothing: files that
 * waited to be inserted would be inserted once more, since a backup does not hold their tokens.
 * @throws DrawbridgeError `COLUMNAR_RESTORE_NOT_EMPTY` | `COLUMNAR_BACKUP_PATH_INVALID` | `COLUMNAR_FAILED`
 */
export async function restoreStore(options: {
  readonly backup: string;
  readonly dataDirectory: string;
  readonly logger: ColumnarLogger;
}): Promise<readonly TableStats[]> {
  const { backup, dataDirectory, logger } = options;
  await mkdir(dataDirectory, { recursive: true, mode: 0o700 });
  const draft = join(dataDirectory, "restoring");
  await rm(draft, { recursive: true, force: true });
  const present = await readdir(dataDirectory);
  if (present.length > 0) {
    const names = present.slice(0, 5).join(", ");
    throw refused("COLUMNAR_RESTORE_NOT_EMPTY", `${dataDirectory} is not empty (${names}): move it away first`);
  }
  const store = openColumnarStore({ engine: { kind: "embedded", directory: draft }, logger });
  let stats: readonly TableStats[];
  try {
    await store.start(AbortSignal.timeout(startMs));
    await store.restore(backup);
    stats = await store.stats();
  } catch (error) {
    await store.stop(AbortSignal.timeout(stopMs));
    await rm(draft, { recursive: true, force: true });
    throw error;
  }
  await store.stop(AbortSignal.timeout(stopMs));
  await rename(draft, join(dataDirectory, "store"));
  await syncFolder(dataDirectory);
  return stats;
}
