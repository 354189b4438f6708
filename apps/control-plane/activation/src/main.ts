import { runService } from "@drawbridge/service";
import { configSchema } from "./config.ts";
import { createActivationService } from "./service.ts";

await runService({ name: "activation", configSchema, env: process.env, create: createActivationService });
