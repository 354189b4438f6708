import { runService } from "@drawbridge/service";
import { configSchema } from "./config.ts";
import { createApiManagerService } from "./service.ts";

await runService({ name: "api-manager", configSchema, env: process.env, create: createApiManagerService });
