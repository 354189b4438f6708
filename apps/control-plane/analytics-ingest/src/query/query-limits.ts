import type { QueryLimits } from "@drawbridge/columnar";

/** What one question may take; beyond it the engine ends it (`COLUMNAR_QUERY_TIMEOUT`, `COLUMNAR_QUERY_LIMIT`). */
export const questionLimits: QueryLimits = {
  maxExecutionMs: 10_000,
  maxMemoryBytes: 512 * 1024 * 1024,
  // Of eight figures and four names each they stay within the largest message that the service sends.
  maxResultRows: 50_000,
};
