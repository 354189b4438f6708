import { runService } from "@drawbridge/service";
import { configSchema } from "./config.ts";
import { createMonitoringIngestService } from "./service.ts";

await runService({ name: "monitoring-ingest", configSchema, env: process.env, create: createMonitoringIngestService });
