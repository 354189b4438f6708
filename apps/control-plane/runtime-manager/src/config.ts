import { hostPort, listenAddress, proxyProtocolFields, serviceFields } from "@drawbridge/config";
import { z } from "zod";
import { defaultTunnelSettings } from "./tunnel/settings.ts";

const milliseconds = (options: { readonly fallback: number; readonly atLeast: number }) =>
  z.coerce.number().int().min(options.atLeast).max(86_400_000).default(options.fallback);
const defaults = defaultTunnelSettings;

/** Of the service. */
export const configSchema = z
  .object({
    ...serviceFields({ service: "runtime-manager", opsPort: 7620 }),
    FABRIC_LISTEN: listenAddress()
      .prefault("127.0.0.1:7420")
      .meta({ description: "the tunnel: gRPC over mTLS, for agents" }),
    ...proxyProtocolFields(),
    INTERNAL_LISTEN: listenAddress()
      .prefault("127.0.0.1:7520")
      .meta({ description: "gRPC over mTLS, for management-api and config-resolver" }),
    API_MANAGER_ADDRESS: hostPort()
      .optional()
      .meta({ description: "host:port of api-manager; without it no gateway gets policies" }),
    DATABASE_CONNECTIONS: z.coerce
      .number()
      .int()
      .min(2)
      .max(100)
      .default(10)
      .meta({ description: "connections to PostgreSQL, at most" }),
    HEARTBEAT_MS: milliseconds({ fallback: defaults.heartbeatMs, atLeast: 100 }).meta({
      description: "agents give a sign of life this often",
    }),
    DEAD_AFTER_MS: milliseconds({ fallback: defaults.deadAfterMs, atLeast: 200 }).meta({
      description: "a tunnel without a frame for this long is dead, its fabric unreachable",
    }),
    DISCONNECTED_AFTER_MS: milliseconds({ fallback: defaults.disconnectedAfterMs, atLeast: 400 }).meta({
      description: "a fabric without a sign of life for this long is disconnected",
    }),
    SEEN_FLUSH_MS: milliseconds({ fallback: defaults.seenFlushMs, atLeast: 50 }).meta({
      description: "signs of life are written to the database this often",
    }),
    CONNECTION_AGE_MS: milliseconds({ fallback: defaults.connectionAgeMs, atLeast: 300_000 }).meta({
      description: "a tunnel this old is handed over, give or take a tenth",
    }),
    IDENTITY_CHECK_MS: milliseconds({ fallback: defaults.identityCheckMs, atLeast: 500 }).meta({
      description: "identities of live tunnels are checked this often",
    }),
    DRAIN_WINDOW_MS: milliseconds({ fallback: defaults.drainWindowMs, atLeast: 0 }).meta({
      description: "agents that must move spread their return over this time",
    }),
    DUPLICATE_AGENT_GRACE_SECONDS: z.coerce
      .number()
      .int()
      .min(1)
      .max(86_400)
      .default(defaults.bootGraceMs / 1_000)
      .meta({
        description:
          "a process that another one of the same agent took over from is one of two, and the agent locked, if it is back this long after it was told",
      }),
    PUBLIC_MONITORING_URL: z
      .url({ protocol: /^https$/ })
      .optional()
      .meta({ description: "base URL of monitoring-ingest as agents reach it" }),
    PUBLIC_ANALYTICS_URL: z
      .url({ protocol: /^https$/ })
      .optional()
      .meta({
        description: "base URL of analytics-ingest as gateways reach it; without it no gateway reports requests",
      }),
    CLOCK_SKEW_WARN_SECONDS: z.coerce
      .number()
      .int()
      .min(1)
      .max(86_400)
      .default(defaults.clockLimits.warnSeconds)
      .meta({ description: "a fabric whose clock differs by more has an alert" }),
    CLOCK_SKEW_FAIL_SECONDS: z.coerce
      .number()
      .int()
      .min(1)
      .max(86_400)
      .default(defaults.clockLimits.failSeconds)
      .meta({ description: "an agent whose clock differs by more reports ClockSynced=False" }),
    HANDSHAKES_PER_SECOND: z.coerce
      .number()
      .int()
      .min(1)
      .max(10_000)
      .default(150)
      .meta({ description: "new tunnels admitted per second" }),
    CONCURRENT_HANDSHAKES: z.coerce
      .number()
      .int()
      .min(1)
      .max(10_000)
      .default(64)
      .meta({ description: "TLS handshakes under way, at most" }),
    WAITING_HANDSHAKES: z.coerce
      .number()
      .int()
      .min(0)
      .max(100_000)
      .default(4_000)
      .meta({ description: "connections that wait for their TLS handshake instead of being refused, at most" }),
    TUNNELS: z.coerce.number().int().min(1).max(100_000).default(20_000).meta({ description: "tunnels, at most" }),
  })
  .refine((config) => config.DEAD_AFTER_MS >= 2 * config.HEARTBEAT_MS, {
    message: "must be at least twice HEARTBEAT_MS, or one late heartbeat ends a tunnel",
    path: ["DEAD_AFTER_MS"],
  })
  .refine((config) => config.CLOCK_SKEW_FAIL_SECONDS >= config.CLOCK_SKEW_WARN_SECONDS, {
    message: "must be at least CLOCK_SKEW_WARN_SECONDS",
    path: ["CLOCK_SKEW_FAIL_SECONDS"],
  })
  .refine((config) => config.DISCONNECTED_AFTER_MS > config.DEAD_AFTER_MS, {
    message: "must be more than DEAD_AFTER_MS",
    path: ["DISCONNECTED_AFTER_MS"],
  });

export type RuntimeManagerConfig = z.output<typeof configSchema>;
