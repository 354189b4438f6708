/** A program for tests: `node migrate-process.ts <url> <schema> <directory>` prints what it applied, as JSON. */
import { runMigrations } from "@drawbridge/store";

const [url = "", schema = "", directory = ""] = process.argv.slice(2);
const silent = { info: () => undefined, warn: () => undefined, error: () => undefined };
process.stdout.write(JSON.stringify(await runMigrations({ url, schema, directory, logger: silent })));
