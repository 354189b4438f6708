import { migrateService } from "@drawbridge/service";

await migrateService("api-manager", { migrations: new URL("../migrations", import.meta.url), env: process.env });
