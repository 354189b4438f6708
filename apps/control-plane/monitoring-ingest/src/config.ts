import { listenAddress, proxyProtocolFields, secretFile, serviceFields, telemetryFields } from "@drawbridge/config";
import { z } from "zod";

/** Of the service. */
export const configSchema = z.object({
  ...serviceFields({ service: "monitoring-ingest", opsPort: 7640 }),
  FABRIC_LISTEN: listenAddress()
    .prefault("127.0.0.1:7440")
    .meta({ description: "HTTPS over mTLS, for monitoring collectors" }),
  ...proxyProtocolFields(),
  INTERNAL_LISTEN: listenAddress()
    .prefault("127.0.0.1:7540")
    .meta({ description: "gRPC over mTLS, for management-api" }),
  CHECK_IN_INTERVAL_MS: z.coerce
    .number()
    .int()
    .min(20)
    .max(300_000)
    .default(15_000)
    .meta({ description: "how often collectors are told to check in" }),
});

export type MonitoringIngestConfig = z.output<typeof configSchema>;

/** Of the migrate job. */
export const migrateConfigSchema = z.object({
  ...telemetryFields(),
  DATABASE_URL_FILE: secretFile().meta({
    description: "file that holds the PostgreSQL URL of the role that owns the schema",
  }),
});
