import type { DataClass } from "@drawbridge/egress";
import { execFileSync } from "node:child_process";
import { join } from "node:path";
import { z } from "zod";
import type { FieldClasses, FieldRule } from "../../src/egress/field-rule.ts";

const repository = join(import.meta.dirname, "../../../../..");

/** What the agent sends, and what gateways report on connections of their own; what these messages contain comes along. */
const roots = [
  "drawbridge.tunnel.v1.ConnectRequest",
  "drawbridge.tunnel.v1.GetSnapshotRequest",
  "drawbridge.tunnel.v1.GetApiConfigurationRequest",
  "drawbridge.tunnel.v1.GetApiObjectsRequest",
  "drawbridge.tunnel.v1.ReportRoutesRequest",
  "drawbridge.tunnel.v1.GetAnalyticsAccessRequest",
  "drawbridge.analytics.v1.RequestBatch",
  "drawbridge.insight.v1.InsightBatch",
  "drawbridge.activation.v1.ActivateRequest",
  "drawbridge.activation.v1.BeginRecoveryRequest",
  "drawbridge.activation.v1.CompleteRecoveryRequest",
  "drawbridge.activation.v1.GetTrustSuccessionRequest",
];

const fieldSchema = z.object({
  jsonName: z.string(),
  label: z.string(),
  type: z.string(),
  typeName: z.string().optional(),
  oneofIndex: z.number().optional(),
  proto3Optional: z.boolean().optional(),
  options: z.record(z.string(), z.unknown()).optional(),
});
const messageSchema = z.object({
  name: z.string(),
  field: z.array(fieldSchema).default([]),
  oneofDecl: z.array(z.object({ name: z.string() })).default([]),
});
const imageSchema = z.object({
  file: z.array(z.object({ package: z.string().default(""), messageType: z.array(messageSchema).default([]) })),
});

const classOf: Readonly<Record<string, DataClass>> = {
  DATA_CLASS_METADATA: "METADATA",
  DATA_CLASS_METRIC: "METRIC",
  DATA_CLASS_IDENTITY: "IDENTITY",
  DATA_CLASS_PAYLOAD: "PAYLOAD",
};

/** The data classes of every field that the agent may send, read from the contracts by buf. */
export function fieldClassesFromProto(): FieldClasses {
  const buf = join(repository, "packages/contracts/node_modules/.bin/buf");
  const json = execFileSync(buf, ["build", "-o", "-#format=json"], { cwd: repository, maxBuffer: 64 * 1024 * 1024 });
  const image = imageSchema.parse(JSON.parse(json.toString("utf8")));
  const messages = new Map<string, z.output<typeof messageSchema>>(
    image.file.flatMap((file) =>
      file.messageType.map((message) => [`${file.package}.${message.name}`, message] as const),
    ),
  );
  const result: Record<string, Record<string, FieldRule>> = {};
  const visit = (typeName: string): void => {
    const message = messages.get(typeName);
    if (message === undefined || typeName in result || typeName.startsWith("google.")) return;
    const rules: Record<string, FieldRule> = {};
    result[typeName] = rules;
    for (const field of message.field) {
      const dataClass = classOf[String(field.options?.["[drawbridge.options.v1.data_class]"])];
      if (dataClass === undefined) throw new Error(`${typeName}.${field.jsonName} has no data class`);
      const child = field.typeName?.slice(1);
      const isOurs = field.type === "TYPE_MESSAGE" && child !== undefined && !child.startsWith("google.");
      const oneof =
        field.proto3Optional || field.oneofIndex === undefined ? undefined : message.oneofDecl[field.oneofIndex];
      rules[field.jsonName] = {
        dataClass,
        ...(isOurs ? { message: child } : {}),
        ...(field.label === "LABEL_REPEATED" ? { isRepeated: true } : {}),
        ...(oneof ? { oneof: oneof.name } : {}),
      };
      if (isOurs) visit(child);
    }
  };
  for (const root of roots) visit(root);
  return result;
}
