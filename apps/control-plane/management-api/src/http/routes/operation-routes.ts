import { trustBundleToJson } from "@drawbridge/pki";
import type { z } from "zod";
import type { AuditRecord } from "../../domain/audit-record.ts";
import { safeNumber } from "../adapters/values.ts";
import { cursorFrom, pageOf } from "../page.ts";
import { definePublicRoute, defineRoute, type Route } from "../route.ts";
import { listOf, pageQuery } from "../schemas/common.ts";
import { auditRecordSchema, statusSchema, trustBundleSchema } from "../schemas/operations.ts";
import type { RouteServices } from "../services.ts";

/** What an operator looks at when he looks after the control plane. */
export function operationRoutes({ audit, status, trustBundle, clock }: RouteServices): readonly Route[] {
  return [
    defineRoute({
      method: "GET",
      path: "/v1/audit",
      action: "audit.list",
      summary: "Read the audit log, newest first",
      permission: { scope: "organisation", role: "administrator" },
      query: pageQuery,
      responses: { 200: { description: "Records.", body: listOf(auditRecordSchema, "A page of the audit log.") } },
      errors: [],
      handle: async ({ query }) => {
        const cursor = cursorFrom(query.pageToken, /^[1-9]\d{0,18}$/);
        const beforeSeq = cursor === undefined ? undefined : BigInt(cursor);
        const records = await audit.list({ limit: query.limit + 1, beforeSeq });
        return {
          status: 200,
          body: pageOf(records, { limit: query.limit, toJson: recordToJson, cursorOf: (record) => String(record.seq) }),
        };
      },
    }),
    defineRoute({
      method: "GET",
      path: "/v1/status",
      action: "status.show",
      summary: "Show which services of the control plane are ready",
      permission: { scope: "user" },
      responses: { 200: { description: "Readiness by service.", body: statusSchema } },
      errors: [],
      handle: async ({ signal }) => {
        const services = await status.probe(signal);
        return {
          status: 200,
          body: {
            ready: services.every((service) => service.ready),
            services: [...services],
            checkedAt: clock.now().toISOString(),
          },
        };
      },
    }),
    definePublicRoute({
      method: "GET",
      path: "/v1/trust-bundle",
      action: "trust-bundle.show",
      summary: "Get the roots that everybody trusts",
      description:
        "The content of trust-bundle.json. Check its fingerprint before you trust what came over a connection that you could not verify.",
      responses: { 200: { description: "The trust bundle.", body: trustBundleSchema } },
      errors: [],
      handle: async () => ({
        status: 200,
        body: trustBundleSchema.parse(JSON.parse(trustBundleToJson(trustBundle()))),
      }),
    }),
  ];
}

function recordToJson(record: AuditRecord): z.output<typeof auditRecordSchema> {
  const { seq, occurredAt, ...rest } = record;
  return { ...rest, seq: safeNumber("seq", seq), at: occurredAt.toISOString() };
}
