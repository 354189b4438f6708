import { runService } from "@drawbridge/service";
import { configSchema } from "./config.ts";
import { createRuntimeManagerService } from "./service.ts";

await runService({ name: "runtime-manager", configSchema, env: process.env, create: createRuntimeManagerService });
