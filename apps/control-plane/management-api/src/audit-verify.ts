import { loadConfigOrExit } from "@drawbridge/config";
import { openStore } from "@drawbridge/store";
import { createLogger } from "@drawbridge/telemetry";
import { verifyAuditChain } from "./audit/verify-audit-chain.ts";
import { jobConfigSchema } from "./config.ts";
import { createAuditRepository } from "./store/audit-repository.ts";
import type { Database } from "./store/database.ts";

const config = loadConfigOrExit({ program: "management-api-audit-verify", schema: jobConfigSchema, env: process.env });
const logger = createLogger({
  service: "management-api-audit-verify",
  level: config.LOG_LEVEL,
  format: config.LOG_FORMAT,
});
const store = openStore<Database>({
  url: config.DATABASE_URL_FILE,
  schema: "management_api",
  logger,
  maxConnections: 1,
});
const giveUp = AbortSignal.timeout(3_600_000);
await store.start(giveUp);
try {
  const verdict = await verifyAuditChain(createAuditRepository(store), giveUp);
  if (verdict.intact) {
    logger.info({ seq: String(verdict.head.seq), hash: verdict.head.hash }, "the audit chain is intact");
  } else {
    logger.error({ seq: String(verdict.seq), fault: verdict.fault }, "the audit chain is broken");
    process.exitCode = 1;
  }
} finally {
  await store.stop(giveUp);
}
