import { filePath, hostPort, listenAddress, organisation, secretFile, serviceFields } from "@drawbridge/config";
import { z } from "zod";

/** Of the service. */
export const configSchema = z
  .object({
    ...serviceFields({ service: "alerting", opsPort: 7680 }),
    INTERNAL_LISTEN: listenAddress()
      .prefault("127.0.0.1:7580")
      .meta({ description: "gRPC over mTLS, for management-api" }),
    RULES_FILE: filePath().optional().meta({
      description: "YAML file of receivers, and of rules that only its owner changes; followed while the service runs",
    }),
    EVALUATE_SECONDS: z.coerce
      .number()
      .int()
      .min(1)
      .max(600)
      .default(30)
      .meta({ description: "every rule is looked at this often, by one of the replicas" }),
    ANALYTICS_INGEST_ADDRESS: hostPort()
      .optional()
      .meta({ description: "host:port of analytics-ingest's internal gRPC, for rules about requests" }),
    MONITORING_INGEST_ADDRESS: hostPort()
      .optional()
      .meta({ description: "host:port of monitoring-ingest's internal gRPC, for rules about apps" }),
    RUNTIME_MANAGER_ADDRESS: hostPort()
      .optional()
      .meta({ description: "host:port of runtime-manager's internal gRPC, which knows whose apps an environment has" }),
    ORGANISATION: organisation(),
    SMTP_URL_FILE: secretFile()
      .refine(
        (secret) => /^smtps?:$/.test(URL.parse(secret.reveal())?.protocol ?? ""),
        "must hold smtps://… or smtp://…",
      )
      .optional()
      .meta({ description: "file that holds `smtps://user:password@host:465`, or `smtp://…:587` for STARTTLS" }),
    MAIL_FROM: z.email().optional().meta({ description: "sender of mails" }),
  })
  .refine((config) => (config.SMTP_URL_FILE === undefined) === (config.MAIL_FROM === undefined), {
    message: "is needed with SMTP_URL_FILE, and only with it",
    path: ["MAIL_FROM"],
  })
  .refine((config) => config.MONITORING_INGEST_ADDRESS === undefined || config.RUNTIME_MANAGER_ADDRESS !== undefined, {
    message: "is needed with MONITORING_INGEST_ADDRESS",
    path: ["RUNTIME_MANAGER_ADDRESS"],
  });

export type AlertingConfig = z.output<typeof configSchema>;
