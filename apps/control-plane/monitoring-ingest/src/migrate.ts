import { migrateService } from "@drawbridge/service";

await migrateService("monitoring-ingest", { migrations: new URL("../migrations", import.meta.url), env: process.env });
