import { runService } from "@drawbridge/service";
import { configSchema } from "./config.ts";
import { createCertAuthorityService } from "./service.ts";

await runService({ name: "cert-authority", configSchema, env: process.env, create: createCertAuthorityService });
