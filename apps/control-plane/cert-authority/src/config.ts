import {
  filePath,
  hostPort,
  listenAddress,
  proxyProtocolFields,
  secretFile,
  serviceFields,
  telemetryFields,
} from "@drawbridge/config";
import { issuingTtlSeconds, leafTtl } from "@drawbridge/pki";
import { z } from "zod";

const service = serviceFields({ service: "cert-authority", opsPort: 7660 });
const { LOG_LEVEL, LOG_FORMAT } = telemetryFields();

const authorityFields = {
  KEY_ENCRYPTION_KEY_FILE: secretFile().meta({
    description:
      "file of the key encryption key: 32 random bytes, base64url; CA private keys are stored under it. More lines are previous keys, which still open what was stored under them",
  }),
  LEAF_TTL_SECONDS: z.coerce.number().int().default(leafTtl.defaultSeconds).meta({
    description: "life of a leaf certificate: 1 hour to 30 days, at most a sixth of the issuing CA's life",
  }),
  LEAF_TTL_MODE: z.enum(["production", "drill"]).default("production").meta({
    description: "`drill` allows lives, graces and delays of seconds, for fault drills only",
  }),
  ISSUING_CA_TTL_SECONDS: z.coerce.number().int().min(6).default(issuingTtlSeconds).meta({
    description: "life of an issuing CA; its successor is made at half of it and issues from five sixths of it on",
  }),
};

/** Of the service. */
export const configSchema = z
  .object({
    ...service,
    CERT_AUTHORITY_ADDRESS: service.CERT_AUTHORITY_ADDRESS.default("127.0.0.1:7560").meta({
      description: "host:port at which this service renews its own certificate: its own gRPC, or another replica's",
    }),
    RUNTIME_MANAGER_ADDRESS: hostPort().default("127.0.0.1:7520").meta({
      description:
        "host:port of runtime-manager's internal gRPC, asked whether a fabric was deleted before the event is believed",
    }),
    INTERNAL_LISTEN: listenAddress().prefault("127.0.0.1:7560").meta({
      description: "address of gRPC for the other services, mTLS",
    }),
    FABRIC_LISTEN: listenAddress().prefault("127.0.0.1:7460").meta({
      description: "address of HTTPS for trust bundle and revocation list",
    }),
    ...proxyProtocolFields(),
    ...authorityFields,
    SUPERSEDED_GRACE_SECONDS: z.coerce.number().int().min(1).max(86_400).default(300).meta({
      description: "how long an earlier certificate of a fabric is still accepted after a later one was used",
    }),
    ROTATION_GRACE_SECONDS: z.coerce.number().int().min(0).default(172_800).meta({
      description:
        "a phase of a root's rotation lasts at least this long, so that parties that are away for a while can follow; 1 hour to 30 days",
    }),
    ROOT_RETIREMENT_DELAY_SECONDS: z.coerce.number().int().min(0).default(86_400).meta({
      description:
        "an old root leaves the trust bundle this long after the last certificate under it ended; 1 hour to 30 days",
    }),
    ISSUE_QUEUE_LIMIT: z.coerce.number().int().min(1).max(100_000).default(1_000).meta({
      description: "certificates in work at once; above it callers are told to come back",
    }),
    NAME_CERTIFICATE_LIMIT: z.coerce.number().int().min(8).max(100_000).default(48).meta({
      description:
        "certificates that one name of a fabric may get in the life of a leaf; a quarter of them within a 24th of it; 20 times as many in drills",
    }),
  })
  .refine(({ LEAF_TTL_MODE, ...config }) => LEAF_TTL_MODE === "drill" || isLongEnough(config.ROTATION_GRACE_SECONDS), {
    message: "ROTATION_GRACE_SECONDS must be 3600 to 2592000: parties that are away for minutes would be stranded",
  })
  .refine(
    ({ LEAF_TTL_MODE, ...config }) => LEAF_TTL_MODE === "drill" || isLongEnough(config.ROOT_RETIREMENT_DELAY_SECONDS),
    { message: "ROOT_RETIREMENT_DELAY_SECONDS must be 3600 to 2592000" },
  );

export type CertAuthorityConfig = z.output<typeof configSchema>;

/** Of the rewrap job. */
export const rewrapConfigSchema = z.object({
  LOG_LEVEL,
  LOG_FORMAT,
  DATABASE_URL_FILE: service.DATABASE_URL_FILE,
  KEY_ENCRYPTION_KEY_FILE: authorityFields.KEY_ENCRYPTION_KEY_FILE,
});

/** Of the bootstrap job. */
export const bootstrapConfigSchema = z.object({
  LOG_LEVEL,
  LOG_FORMAT,
  DATABASE_URL_FILE: service.DATABASE_URL_FILE,
  TRUST_DOMAIN: service.TRUST_DOMAIN,
  ...authorityFields,
  IDENTITIES_DIR: filePath().meta({ description: "folder that gets one identity folder per service" }),
});

export type BootstrapConfig = z.output<typeof bootstrapConfigSchema>;

/** One hour to thirty days. */
function isLongEnough(seconds: number): boolean {
  return seconds >= 3_600 && seconds <= 2_592_000;
}
