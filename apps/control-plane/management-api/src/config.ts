import {
  hostPort,
  listenAddress,
  organisation,
  proxyProtocolFields,
  secretFile,
  serviceFields,
} from "@drawbridge/config";
import { z } from "zod";

const rate = (fallback: number) => z.coerce.number().int().min(1).max(1_000_000).default(fallback);
const peer = (what: string) => hostPort().meta({ description: what });

/** Settings of the service, without their prefix DRAWBRIDGE_. */
export const configSchema = z.object({
  ...serviceFields({ service: "management-api", opsPort: 7600 }),
  LISTEN: listenAddress().prefault("127.0.0.1:7400").meta({ description: "address of the REST API (HTTPS)" }),
  ...proxyProtocolFields(),
  ORGANISATION: organisation(),
  ACTIVATION_ADDRESS: peer("host:port of activation's internal gRPC"),
  RUNTIME_MANAGER_ADDRESS: peer("host:port of runtime-manager's internal gRPC"),
  CONFIG_RESOLVER_ADDRESS: peer("host:port of config-resolver's internal gRPC"),
  BUNDLE_UPLOAD_ADDRESS: peer("host:port of config-resolver's internal HTTPS listener, which takes bundles"),
  MONITORING_INGEST_ADDRESS: hostPort().optional().meta({
    description: "host:port of monitoring-ingest's internal gRPC; without it nothing is said of collectors and metrics",
  }),
  API_MANAGER_ADDRESS: hostPort().optional().meta({
    description: "host:port of api-manager's internal gRPC; without it there are no routes for APIs",
  }),
  ANALYTICS_INGEST_ADDRESS: hostPort().optional().meta({
    description: "host:port of analytics-ingest's internal gRPC; without it nothing is known of requests",
  }),
  ALERTING_ADDRESS: hostPort().optional().meta({
    description: "host:port of alerting's internal gRPC; without it there are no alerts",
  }),
  BOOTSTRAP_ADMIN_PASSWORD_FILE: secretFile().optional().meta({
    description:
      "file that holds the password of the first administrator; needed while there is no user, ignored afterwards",
  }),
  RATE_PER_ADDRESS: rate(6_000).meta({ description: "requests a minute from one address" }),
  RATE_PER_TOKEN: rate(1_200).meta({ description: "requests a minute with one access token" }),
  RATE_REFUSED_PER_ADDRESS: rate(60).meta({ description: "refused access tokens a minute from one address" }),
});

export type ManagementApiConfig = z.output<typeof configSchema>;

/** Settings of the jobs `migrate` and `audit-verify`. */
export const jobConfigSchema = configSchema.pick({ DATABASE_URL_FILE: true, LOG_LEVEL: true, LOG_FORMAT: true });
