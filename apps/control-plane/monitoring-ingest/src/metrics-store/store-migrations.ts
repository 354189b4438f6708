import { join } from "node:path";

/** Folder of the columnar store's migrations; PostgreSQL's are in `migrations`. */
export const storeMigrations = join(import.meta.dirname, "../../migrations-columnar");
