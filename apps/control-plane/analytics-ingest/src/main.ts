import { runService } from "@drawbridge/service";
import { configSchema } from "./config.ts";
import { createAnalyticsIngestService } from "./service.ts";

await runService({ name: "analytics-ingest", configSchema, env: process.env, create: createAnalyticsIngestService });
