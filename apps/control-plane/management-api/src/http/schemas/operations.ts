import { z } from "zod";
import { instant } from "./common.ts";

export const auditRecordSchema = z
  .object({
    seq: z.int(),
    prevHash: z.string(),
    hash: z.string(),
    at: instant("When it happened."),
    requestId: z.string(),
    actor: z.string(),
    address: z.string(),
    action: z.string(),
    target: z.string(),
    result: z.enum(["success", "refused", "failed", "unknown"]),
    statusCode: z.int().meta({ description: "HTTP status; 0 for what did not come by HTTP." }),
    errorCode: z.string(),
    details: z.record(z.string(), z.string()),
  })
  .meta({ id: "AuditRecord", description: "One act, chained to the one before by its hash." });

export const statusSchema = z
  .object({
    ready: z.boolean().meta({ description: "True when every service is ready." }),
    services: z.array(
      z.object({
        service: z.string(),
        ready: z.boolean(),
        detail: z.string().nullable().meta({
          description:
            "In one word what is amiss; null if nothing is. `degraded`: ready, and something works with less.",
        }),
      }),
    ),
    checkedAt: instant("When it was asked."),
  })
  .meta({ id: "ControlPlaneStatus", description: "Readiness of the control plane by service." });

export const trustBundleSchema = z
  .object({
    trust_domain: z.string(),
    spiffe_sequence: z.int(),
    spiffe_refresh_hint: z.int(),
    roots: z.array(z.string()).meta({ description: "Root certificates, PEM." }),
  })
  .meta({ id: "TrustBundle", description: "The roots that everybody trusts; the content of trust-bundle.json." });

/** Described by its own specification. */
export const openApiSchema = z.looseObject({ openapi: z.string() });
