import { mkdir, readdir, readFile, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { writeDurably } from "@drawbridge/durable-files";
import type { Clock } from "@drawbridge/lifecycle";
import type { Logger } from "@drawbridge/telemetry";
import type { LedgerFiles } from "./egress-ledger.ts";
import { ledgerFileSchema, type LedgerWriter } from "./ledger-file.ts";

/** A writer's days in a folder, which it makes; what it cannot read it moves aside, and begins the day anew. */
export function openLedgerFolder({
  directory,
  writer,
  clock,
  logger,
}: {
  readonly directory: string;
  readonly writer: LedgerWriter;
  readonly clock: Clock;
  readonly logger: Logger;
}): LedgerFiles {
  const suffix = `.${writer}.json`;
  const pathOf = (day: string): string => join(directory, `${day}${suffix}`);
  return {
    async read(day) {
      let text: string;
      try {
        text = await readFile(pathOf(day), "utf8");
      } catch {
        return undefined; // none yet
      }
      try {
        return ledgerFileSchema.parse(JSON.parse(text));
      } catch {
        const aside = `${pathOf(day)}.corrupt-${clock.now().getTime()}`;
        logger.error({ path: pathOf(day), moved_to: aside }, "unusable egress ledger moved aside");
        await rename(pathOf(day), aside).catch(() => undefined); // overwritten, then
        return undefined;
      }
    },
    async write(file) {
      await mkdir(directory, { recursive: true, mode: 0o700 });
      await writeDurably(pathOf(file.day), `${JSON.stringify(file, undefined, 2)}\n`);
    },
    async removeBefore(day) {
      const names = await readdir(directory).catch(() => []); // no folder: nothing to remove
      const old = names.filter((name) => name.endsWith(suffix) && name.slice(0, 10) < day);
      for (const name of old) await rm(join(directory, name), { force: true });
    },
  };
}
