export { freePort } from "@drawbridge/local";
export { type KillableServer } from "./backend/backing-server.ts";
export { type TestDatabaseOptions } from "./backend/database-template.ts";
export { alertingMigrations, createAlertingProcess } from "./alerting-process.ts";
export { createAnalyticsIngestProcess, type AnalyticsIngestProcess } from "./analytics-ingest-process.ts";
export { startTestNats, type TestNats } from "./backend/test-nats.ts";
export {
  startPrivateTestPostgres,
  startTestPostgres,
  type PrivateTestPostgres,
  type TestDatabase,
  type TestPostgres,
} from "./backend/test-postgres.ts";
export { certAuthorityMigrations, startCertAuthority, type CertAuthorityProcess } from "./cert-authority-process.ts";
export {
  createMonitoringIngestProcess,
  monitoringIngestMigrations,
  type MonitoringIngestProcess,
} from "./monitoring-ingest-process.ts";
export {
  createRuntimeManagerProcess,
  runtimeManagerMigrations,
  type RuntimeManagerProcess,
} from "./runtime-manager-process.ts";
export { FakeClock } from "./fake-clock.ts";
export { programEnvironment } from "./program-environment.ts";
export { createPrivateCa, type PrivateCa } from "./private-ca.ts";
export { createServerCertificate, type ServerCertificate } from "./server-certificate.ts";
export { tempDir, type TempDir } from "./temp-dir.ts";
export { createTestCa, type AgentParts, type FabricParts, type IssueOptions, type TestCa } from "./test-ca.ts";
export { sendThenRead } from "./send-then-read.ts";
export { untilReady } from "./until-ready.ts";
export { createTestLogger, type LogRecord, type TestLogger } from "./test-logger.ts";
