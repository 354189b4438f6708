import { migrateService } from "@drawbridge/service";

await migrateService("runtime-manager", { migrations: new URL("../migrations", import.meta.url), env: process.env });
