import { migrateService } from "@drawbridge/service";

await migrateService("management-api", { migrations: new URL("../migrations", import.meta.url), env: process.env });
