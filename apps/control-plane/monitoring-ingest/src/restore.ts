// `node src/restore.ts <folder of the backup>`: makes a backup of the columnar store the store of this service.
import { runRestoreJob } from "@drawbridge/columnar";
import { configSchema } from "./config.ts";

process.exit(
  await runRestoreJob({
    service: "monitoring-ingest",
    args: process.argv.slice(2),
    env: process.env,
    settings: Object.keys(configSchema.shape),
  }),
);
