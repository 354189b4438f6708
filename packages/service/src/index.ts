export { createFoundations, followRevocations, type Foundations } from "./foundations.ts";
export { migrateService } from "./migrate-service.ts";
export { runService } from "./run-service.ts";
export type { Service, ServiceDeps } from "./service-deps.ts";
