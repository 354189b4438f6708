import { DrawbridgeError } from "@drawbridge/errors";
import type { Migration } from "./read-migrations.ts";

export interface AppliedMigration {
  readonly name: string;
  readonly checksum: string;
}

/**
 * Which migrations are to be applied. What was applied must still be there, unchanged, and before everything new. Applied
 * ones that are newer than all files are fine: an older image runs beside a newer schema.
 * @throws DrawbridgeError `STORE_MIGRATION_CHANGED` | `STORE_MIGRATION_ORDER` (failed_precondition)
 */
export function planMigrations(
  files: readonly Migration[],
  applied: readonly AppliedMigration[],
): readonly Migration[] {
  const appliedByName = new Map(applied.map((migration) => [migration.name, migration]));
  const newestFile = files.at(-1)?.name ?? "";
  const fileNames = new Set(files.map((file) => file.name));
  for (const { name } of applied) {
    if (name <= newestFile && !fileNames.has(name)) throw changed(`${name} was applied, but the file is gone`);
  }
  const newestApplied = applied.reduce((newest, { name }) => (name > newest ? name : newest), "");
  const pending: Migration[] = [];
  for (const file of files) {
    const known = appliedByName.get(file.name);
    if (known === undefined) {
      if (file.name < newestApplied) throw outOfOrder(file.name, newestApplied);
      pending.push(file);
    } else if (known.checksum !== file.checksum) {
      throw changed(`${file.name} was changed after it was applied; put the change into a new file`);
    }
  }
  return pending;
}

function changed(message: string): DrawbridgeError {
  return new DrawbridgeError({ kind: "failed_precondition", code: "STORE_MIGRATION_CHANGED", message });
}

function outOfOrder(name: string, newest: string): DrawbridgeError {
  return new DrawbridgeError({
    kind: "failed_precondition",
    code: "STORE_MIGRATION_ORDER",
    message: `${name} is new, but ${newest} is applied already; give it a higher number`,
  });
}
