import { join } from "node:path";

/** The schema of these tests: a table, an outbox and an inbox. */
export interface LedgerDatabase {
  ledger: { entry: string; amount: string | number | bigint };
}

export const ledgerMigrations = join(import.meta.dirname, "migrations");
