import { migrateService } from "@drawbridge/service";

await migrateService("activation", { migrations: new URL("../migrations", import.meta.url), env: process.env });
