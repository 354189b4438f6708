import { runService } from "@drawbridge/service";
import { configSchema } from "./config.ts";
import { createAlertingService } from "./service.ts";

await runService({ name: "alerting", configSchema, env: process.env, create: createAlertingService });
