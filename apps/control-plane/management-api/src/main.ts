import { runService } from "@drawbridge/service";
import { configSchema } from "./config.ts";
import { createManagementApiService } from "./service.ts";

await runService({ name: "management-api", configSchema, env: process.env, create: createManagementApiService });
