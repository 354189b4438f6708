import { hostPort, listenAddress, secretFile, serviceFields, telemetryFields } from "@drawbridge/config";
import { z } from "zod";

const keyEncryptionKeyFile = () =>
  secretFile().meta({
    description:
      "file of the key encryption key: 32 random bytes, base64url; configurations of policies are stored under it. More lines are previous keys, which still open what was stored under them",
  });

/** Of the service. */
export const configSchema = z.object({
  ...serviceFields({ service: "api-manager", opsPort: 7670 }),
  INTERNAL_LISTEN: listenAddress()
    .prefault("127.0.0.1:7570")
    .meta({ description: "gRPC over mTLS, for management-api and runtime-manager" }),
  RUNTIME_MANAGER_ADDRESS: hostPort().meta({
    description: "host:port of runtime-manager's internal gRPC, which knows what manifests declare",
  }),
  KEY_ENCRYPTION_KEY_FILE: keyEncryptionKeyFile(),
  RECONCILE_SECONDS: z.coerce.number().int().min(1).max(3_600).default(60).meta({
    description: "runtime-manager is asked this often what every fabric is bound to, for events that were lost",
  }),
});

export type ApiManagerConfig = z.output<typeof configSchema>;

/** Of the rewrap job. */
export const rewrapConfigSchema = z.object({
  ...telemetryFields(),
  DATABASE_URL_FILE: secretFile().meta({ description: "file that holds the PostgreSQL URL of the service's own role" }),
  KEY_ENCRYPTION_KEY_FILE: keyEncryptionKeyFile(),
});
