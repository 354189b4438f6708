import { mkdir, readdir, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { syncFolder } from "@drawbridge/durable-files";
import { createLoop, type Clock, type Component, type HealthCheck } from "@drawbridge/lifecycle";
import type { ColumnarLogger } from "../columnar-logger.ts";
import type { ColumnarStore } from "../open-columnar-store.ts";

/** As a service's settings say it: `columnarStoreFields` of packages/config. */
export interface BackupSettings {
  readonly BACKUP_DIR?: string | undefined;
  readonly BACKUP_INTERVAL_HOURS: number;
  readonly BACKUPS_KEPT: number;
}

export interface StoreBackups extends Component {
  /** Says so when the newest backup is older than two intervals, or cannot be made. */
  readonly health: HealthCheck;
}

const hourMs = 3_600_000;
/** How often it is looked whether one is due: also what failed is tried again after it. */
const lookMs = 60_000;
const unfinished = ".unfinished";
const namePattern = /^(\d{4}-\d\d-\d\d)T(\d\d)-(\d\d)-(\d\d)Z$/;

/**
 * Backups of the store in folders of their own, `2026-01-31T04-00-00Z`, while work goes on. A folder has its name when it is whole;
 * the newest so many stay. Does nothing without a folder to put them in.
 */
export function createStoreBackups(deps: {
  readonly store: Pick<ColumnarStore, "backup">;
  readonly settings: BackupSettings;
  readonly clock: Clock;
  readonly logger: ColumnarLogger;
}): StoreBackups {
  const { store, settings, clock, logger } = deps;
  const { BACKUP_DIR: directory } = settings;
  const intervalMs = settings.BACKUP_INTERVAL_HOURS * hourMs;
  const beganMs = clock.now().getTime();
  let newestMs: number | undefined;
  let failure: string | undefined;
  if (directory === undefined) {
    const none = { start: () => Promise.resolve(), stop: () => Promise.resolve() };
    return { name: "store backups", health: () => undefined, ...none };
  }

  async function pass(into: string): Promise<void> {
    await mkdir(into, { recursive: true, mode: 0o700 });
    const names = await readdir(into);
    const whole = names.filter((name) => namePattern.test(name)).toSorted();
    newestMs = timeOf(whole.at(-1));
    const now = clock.now();
    if (newestMs !== undefined && now.getTime() - newestMs < intervalMs) return;
    for (const name of names.filter((each) => each.endsWith(unfinished))) await remove(join(into, name));
    const name = now.toISOString().replace(/\.\d+/, "").replaceAll(":", "-");
    await store.backup(join(into, name + unfinished));
    await rename(join(into, name + unfinished), join(into, name));
    await syncFolder(into);
    newestMs = now.getTime();
    failure = undefined;
    logger.info({ backup: join(into, name) }, "the columnar store is backed up");
    for (const old of [...whole, name].slice(0, -settings.BACKUPS_KEPT)) await remove(join(into, old));
  }

  const loop = createLoop({
    name: "store backups",
    clock,
    intervalMs: lookMs,
    pass: () => pass(directory),
    onError: (error) => {
      if (failure === undefined) logger.error({ err: error }, "the columnar store cannot be backed up");
      failure = error instanceof Error ? error.message : String(error);
    },
  });
  return {
    ...loop,
    health: () => {
      if (failure !== undefined) return `no backup can be made: ${failure}`;
      const ageMs = clock.now().getTime() - (newestMs ?? beganMs);
      return ageMs > 2 * intervalMs ? `the newest backup is ${Math.floor(ageMs / hourMs)} hours old` : undefined;
    },
  };
}

function timeOf(name: string | undefined): number | undefined {
  const at = Date.parse(name?.replace(namePattern, "$1T$2:$3:$4Z") ?? "");
  return Number.isNaN(at) ? undefined : at;
}

async function remove(path: string): Promise<void> {
  await rm(path, { recursive: true, force: true });
}
