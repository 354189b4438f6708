import { migrateService } from "@drawbridge/service";

await migrateService("config-resolver", { migrations: new URL("../migrations", import.meta.url), env: process.env });
