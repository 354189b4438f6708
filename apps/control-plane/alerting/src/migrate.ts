import { migrateService } from "@drawbridge/service";

await migrateService("alerting", { migrations: new URL("../migrations", import.meta.url), env: process.env });
