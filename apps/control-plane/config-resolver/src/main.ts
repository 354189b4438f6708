import { runService } from "@drawbridge/service";
import { configSchema } from "./config.ts";
import { createConfigResolverService } from "./service.ts";

await runService({ name: "config-resolver", configSchema, env: process.env, create: createConfigResolverService });
