import type { ColumnarStore } from "@drawbridge/columnar";
import { isDrawbridgeError, type DrawbridgeError } from "@drawbridge/errors";
import { retryWithBackoff, type Clock, type Random } from "@drawbridge/lifecycle";
import { rollUpNames } from "./roll-ups/roll-up-names.ts";
import { gapsPath, hasGaps, readSpooledBatches, rollUpPath, rowsPath, type SpoolName } from "./spool.ts";
import { isAnyStored } from "./stored-batches.ts";

export interface StoreBlockDeps {
  readonly store: Pick<ColumnarStore, "insertFile" | "insertFiles" | "query">;
  readonly clock: Clock;
  readonly random: Random;
  /** Undefined: it is well again. */
  readonly onTrouble: (error: DrawbridgeError | undefined) => void;
}

/** Stored, or refused in a way that the same block meets again; then none of its rows is in the store. */
export type StoreOutcome =
  | { readonly outcome: "stored" }
  | { readonly outcome: "refused"; readonly error: DrawbridgeError };

/**
 * Insert a spooled block under its name, again and again while the store is away or busy, until it is in or `signal` aborts. Gaps
 * come first, since the block is done when its rows are in.
 *
 * A roll-up that fails leaves the rows in their table: then only the same files under the same names can make it whole, so that is
 * repeated too, until somebody has mended the roll-up. Nothing else that writes comes between rows and roll-ups, nor does a backup.
 */
export async function storeBlock(name: SpoolName, deps: StoreBlockDeps, signal: AbortSignal): Promise<StoreOutcome> {
  let refusal: DrawbridgeError | undefined;
  const insert = async (): Promise<void> => {
    refusal = undefined;
    if (await hasGaps(name)) {
      const token = `${name.base}-gaps`;
      await deps.store.insertFile({ table: "request_gaps", path: gapsPath(name), token });
    }
    const batches = await readSpooledBatches(name);
    if (batches.every(({ rows }) => rows === 0)) return; // gaps alone
    try {
      await deps.store.insertFiles([
        { table: "requests", path: rowsPath(name), token: name.base },
        ...rollUpNames.map((table) => ({ table, path: rollUpPath(name, table), token: `${name.base}-${table}` })),
      ]);
    } catch (error) {
      if (!isDrawbridgeError(error) || !isRefusal(error)) throw error;
      if (await isAnyStored(deps.store, batches)) throw error;
      refusal = error;
    }
  };
  await retryWithBackoff(
    insert,
    {
      clock: deps.clock,
      random: deps.random,
      onFailure: (error) => {
        if (!isDrawbridgeError(error)) return "stop";
        deps.onTrouble(error);
        return "retry";
      },
    },
    signal,
  );
  if (refusal !== undefined) return { outcome: "refused", error: refusal };
  deps.onTrouble(undefined);
  return { outcome: "stored" };
}

/** Said of these rows; anything else, such as a store that is away, passes. */
function isRefusal(error: DrawbridgeError): boolean {
  return error.code === "COLUMNAR_FAILED" || error.kind === "invalid_argument";
}
