import { join } from "node:path";

/** Folder of the columnar store's migrations. */
export const storeMigrations = join(import.meta.dirname, "../migrations");
