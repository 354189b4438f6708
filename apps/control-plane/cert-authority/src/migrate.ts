import { migrateService } from "@drawbridge/service";

await migrateService("cert-authority", { migrations: new URL("../migrations", import.meta.url), env: process.env });
