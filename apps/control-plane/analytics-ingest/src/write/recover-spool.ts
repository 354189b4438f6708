import type { ColumnarStore } from "@drawbridge/columnar";
import type { Logger } from "@drawbridge/telemetry";
import { isMadeFor, readSpooledBatches, removeSpoolFiles, type SpoolName } from "./spool.ts";
import type { BlockThread } from "./start-block-thread.ts";
import { storeBlock, type StoreBlockDeps } from "./store-block.ts";
import { readStoredBatches } from "./stored-batches.ts";

export interface RecoverSpoolDeps extends StoreBlockDeps {
  readonly store: Pick<ColumnarStore, "insertFile" | "insertFiles" | "query">;
  readonly thread: BlockThread;
  readonly logger: Logger;
}

/**
 * What a process before this one left: its blocks into the store, each under its name, which the store knows if it has it. Then
 * every batch in the store is known, before the queue brings any of them again.
 *
 * A block for another table is one of a store that was since restored or begun anew, which knows no names: its rows go in unless
 * batches of it are there.
 */
export async function recoverSpool(
  spool: readonly SpoolName[],
  tableId: string,
  deps: RecoverSpoolDeps,
  signal: AbortSignal,
): Promise<void> {
  const { thread, logger, store } = deps;
  for (const name of spool.filter((block) => isMadeFor(block, tableId))) {
    const { outcome } = await storeBlock(name, deps, signal);
    // Not acknowledged then, or it would be in the store: its batches come again, and the bad one is found.
    if (outcome === "refused") logger.error({ block: name.base }, "block refused, its batches are read again");
    else logger.info({ block: name.base }, "block of the process before stored");
    await removeSpoolFiles(name);
  }
  await thread.ask({ kind: "learn", batches: await readStoredBatches(store) });
  for (const name of spool.filter((block) => !isMadeFor(block, tableId))) {
    const batches = await readSpooledBatches(name);
    const known = await thread.ask({ kind: "areKnown", keys: batches });
    if (!known.includes(true)) {
      const { outcome } = await storeBlock(name, deps, signal);
      if (outcome === "refused") {
        logger.error({ block: name.base }, "block of an earlier store refused, it stays in the spool");
        continue;
      }
      await thread.ask({ kind: "learn", batches });
    }
    logger.info({ block: name.base, known: known.includes(true) }, "block of an earlier store recovered");
    await removeSpoolFiles(name);
  }
}
