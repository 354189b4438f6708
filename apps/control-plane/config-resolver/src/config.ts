import {
  filePath,
  hostPort,
  listenAddress,
  proxyProtocolFields,
  secretFile,
  serviceFields,
  telemetryFields,
} from "@drawbridge/config";
import { z } from "zod";

const keyEncryptionKeyFile = () =>
  secretFile().meta({
    description:
      "file of the key encryption key: 32 random bytes, base64url; configurations are stored under it. More lines are previous keys, which still open what was stored under them",
  });

/** Of the service. */
export const configSchema = z.object({
  ...serviceFields({ service: "config-resolver", opsPort: 7630 }),
  FABRIC_LISTEN: listenAddress()
    .prefault("127.0.0.1:7430")
    .meta({ description: "HTTPS over mTLS, for agents and gateways that fetch bundles and configuration" }),
  ...proxyProtocolFields(),
  INTERNAL_LISTEN: listenAddress()
    .prefault("127.0.0.1:7530")
    .meta({ description: "gRPC over mTLS, for management-api" }),
  UPLOAD_LISTEN: listenAddress()
    .prefault("127.0.0.1:7531")
    .meta({ description: "HTTPS over mTLS, for management-api, which streams bundles in" }),
  RUNTIME_MANAGER_ADDRESS: hostPort().meta({
    description: "host:port of runtime-manager's internal gRPC, which knows what is deployed where",
  }),
  BLOB_DIR: filePath().meta({
    description: "folder of the bundles, on one file system; replicas share one",
  }),
  KEY_ENCRYPTION_KEY_FILE: keyEncryptionKeyFile(),
  PARTIAL_UPLOAD_HOURS: z.coerce
    .number()
    .int()
    .min(1)
    .max(720)
    .default(24)
    .meta({ description: "an upload that nobody went on with for this long is removed" }),
  ARTEFACT_GRACE_HOURS: z.coerce
    .number()
    .int()
    .min(1)
    .max(8_760)
    .default(168)
    .meta({ description: "a bundle or configuration that no app referred to for this long is removed" }),
  UPLOAD_IDLE_SECONDS: z.coerce
    .number()
    .int()
    .min(1)
    .max(3_600)
    .default(60)
    .meta({ description: "an upload or download that stands still for this long is cut off; what arrived is kept" }),
});

export type ConfigResolverConfig = z.output<typeof configSchema>;

/** Of the rewrap job. */
export const rewrapConfigSchema = z.object({
  ...telemetryFields(),
  DATABASE_URL_FILE: secretFile().meta({ description: "file that holds the PostgreSQL URL of the service's own role" }),
  KEY_ENCRYPTION_KEY_FILE: keyEncryptionKeyFile(),
});
