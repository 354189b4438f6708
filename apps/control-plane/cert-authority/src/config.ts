import { filePath, hostPort, listenAddress, secretFile } from "@drawbridge/config";
import { leafTtl } from "@drawbridge/pki";
import { logFormats, logLevels } from "@drawbridge/telemetry";
import { z } from "zod";

const databaseUrlFile = secretFile().meta({
  description: "path of a file that holds the PostgreSQL URL of this service's role",
});
const keyEncryptionKeyFile = secretFile().meta({
  description:
    "path of a file that holds the key encryption key: 32 random bytes, base64url; CA private keys are stored under it",
});
const logLevel = z.enum(logLevels).default("info").meta({ description: "lowest level that is logged" });
const logFormat = z.enum(logFormats).default("json").meta({ description: "json, or pretty for people" });
const trustDomain = z
  .string()
  .regex(/^[a-z0-9](?:[a-z0-9._-]{0,253}[a-z0-9])?$/)
  .default("drawbridge.local")
  .meta({ description: "trust domain of every name that is issued; cannot change after the bootstrap" });
const leafTtlSeconds = z.coerce
  .number()
  .int()
  .default(leafTtl.defaultSeconds)
  .meta({ description: "life of a leaf certificate: 1 hour to 30 days, at most a sixth of the issuing CA's life" });
const leafTtlMode = z
  .enum(["production", "drill"])
  .default("production")
  .meta({ description: "drill allows leaf lives of seconds, for fault drills only" });

/** Of the service. */
export const configSchema = z.object({
  LOG_LEVEL: logLevel,
  LOG_FORMAT: logFormat,
  OTLP_ENDPOINT: z.url().optional().meta({ description: "OTLP/HTTP collector for traces" }),
  TRACE_FILE: filePath().optional().meta({ description: "append spans to this file as JSON lines" }),
  OPS_LISTEN: listenAddress().default({ host: "127.0.0.1", port: 7660 }).meta({
    description: "plain HTTP for /livez, /readyz and /metrics",
  }),
  INTERNAL_LISTEN: listenAddress().default({ host: "127.0.0.1", port: 7560 }).meta({
    description: "gRPC over mTLS for the other services",
  }),
  FABRIC_LISTEN: listenAddress().default({ host: "127.0.0.1", port: 7460 }).meta({
    description: "HTTPS for trust bundle and revocation list",
  }),
  DATABASE_URL_FILE: databaseUrlFile,
  NATS_URL: z
    .string()
    .min(1)
    .default("nats://127.0.0.1:4222")
    .meta({ description: "NATS servers, with commas between them" }),
  NATS_CREDENTIALS_FILE: secretFile()
    .optional()
    .meta({ description: "path of a file that holds user:password for NATS" }),
  IDENTITY_DIR: filePath().meta({ description: "folder of this service's own certificate, key and trust bundle" }),
  CERT_AUTHORITY_ADDRESS: hostPort()
    .default("127.0.0.1:7560")
    .meta({ description: "where this service renews its own certificate: itself, or another replica" }),
  TRUST_DOMAIN: trustDomain,
  KEY_ENCRYPTION_KEY_FILE: keyEncryptionKeyFile,
  LEAF_TTL_SECONDS: leafTtlSeconds,
  LEAF_TTL_MODE: leafTtlMode,
  ISSUE_QUEUE_LIMIT: z.coerce.number().int().min(1).max(100_000).default(1_000).meta({
    description: "certificates in work at once; above it callers are told to come back",
  }),
  REPLICA: z.string().min(1).default("cert-authority-0").meta({ description: "name of this replica" }),
});

export type CertAuthorityConfig = z.output<typeof configSchema>;

/** Of the migrate job. */
export const migrateConfigSchema = z.object({
  LOG_LEVEL: logLevel,
  LOG_FORMAT: logFormat,
  DATABASE_URL_FILE: databaseUrlFile,
});

/** Of the bootstrap job. */
export const bootstrapConfigSchema = z.object({
  LOG_LEVEL: logLevel,
  LOG_FORMAT: logFormat,
  DATABASE_URL_FILE: databaseUrlFile,
  KEY_ENCRYPTION_KEY_FILE: keyEncryptionKeyFile,
  TRUST_DOMAIN: trustDomain,
  LEAF_TTL_SECONDS: leafTtlSeconds,
  LEAF_TTL_MODE: leafTtlMode,
  IDENTITIES_DIR: filePath().meta({ description: "folder that gets one identity folder per service" }),
});

export type BootstrapConfig = z.output<typeof bootstrapConfigSchema>;
