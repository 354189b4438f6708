import { createHash } from "node:crypto";
import { Disposition } from "@drawbridge/contracts/analytics/v1/request_batch";
import { GeographyDetail } from "@drawbridge/contracts/apis/v1/configuration";
import { DrawbridgeError } from "@drawbridge/errors";
import { BatchBuilder, batchHead, batchLimits, type BatchName, type ReportedInstance } from "@drawbridge/request-batch";
import { fieldDetail } from "@drawbridge/rpc";
import { z } from "zod";

const geographies = {
  none: GeographyDetail.GEOGRAPHY_DETAIL_NONE,
  country: GeographyDetail.GEOGRAPHY_DETAIL_COUNTRY,
  city: GeographyDetail.GEOGRAPHY_DETAIL_CITY,
} as const;
const dispositions = {
  processed: Disposition.DISPOSITION_PROCESSED,
  policy_violation: Disposition.DISPOSITION_POLICY_VIOLATION,
  blocked: Disposition.DISPOSITION_BLOCKED,
  error: Disposition.DISPOSITION_ERROR,
} as const;

const noControls = /^\P{Cc}*$/u;
const name = z.string().max(256).regex(noControls, "has control characters");
const milliseconds = z.number().min(0).max(4_294_967).default(0);
const byteCount = z.number().int().min(0).max(4_294_967_295).default(0);
const time = z.union([z.iso.datetime({ offset: true }).transform((text) => Date.parse(text)), z.int().min(0)], {
  error: "is no time: ISO 8601 with Z or an offset, or milliseconds since 1970",
});

const requestSchema = z.strictObject({
  time: time.refine((at) => at <= 253_402_300_799_999, "is after the year 9999"),
  environment: name.min(1),
  api: name.min(1),
  apiId: z.uuid().optional(),
  apiVersion: name.default(""),
  app: name.default(""),
  application: name.default(""),
  verb: z
    .string()
    .regex(/^[A-Za-z]{1,32}$/, "is no method")
    .transform((text) => text.toUpperCase()),
  resourcePath: z
    .string()
    .max(1_024)
    .regex(/^[^?#]*$/, "is a template as /orders/{id}, without a query")
    .regex(noControls, "has control characters")
    .default(""),
  status: z.union([z.literal(0), z.int().min(100).max(599)]),
  disposition: z.enum(["processed", "policy_violation", "blocked", "error"]).default("processed"),
  policy: name.default(""),
  policyId: z.uuid().optional(),
  latencyMs: milliseconds,
  upstreamMs: milliseconds,
  requestBytes: byteCount,
  responseBytes: byteCount,
  clientIp: z.union([z.ipv4(), z.ipv6(), z.literal("")]).default(""),
  userAgent: z.string().max(1_024).default(""),
  replica: name.default(""),
});

const batchSchema = z
  .strictObject({
    gateway: z.string().regex(/^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/, "is no name of 1 to 63 of a-z, 0-9 and -"),
    epoch: z.int().min(0).optional(),
    sequence: z.int().min(1).optional(),
    geography: z.enum(["none", "country", "city"]).default("none"),
    requests: z.array(requestSchema).min(1).max(batchLimits.rows),
  })
  .refine(({ epoch, sequence }) => (epoch === undefined) === (sequence === undefined), {
    message: "epoch and sequence come together",
    path: ["sequence"],
  });

/** Numbers for batches whose sender gave none. */
export type NameBatch = (gatewayId: string) => BatchName;

/** Largest JSON, unpacked. */
export const jsonLimitBytes = 4 * 1024 * 1024;
const shownProblems = 20;

/**
 * The RequestBatch of the JSON form.
 * @param naming a name for it where it has none itself
 * @throws DrawbridgeError `BODY_MALFORMED` (invalid_argument), `ANALYTICS_BATCH_INVALID` (invalid_argument), which names the fields
 */
export function batchFromJson(bytes: Uint8Array, naming: NameBatch): Uint8Array {
  const parsed = batchSchema.safeParse(parseJson(bytes));
  if (!parsed.success) throw invalid(parsed.error.issues);
  const { gateway, epoch, sequence, geography, requests } = parsed.data;
  const builder = new BatchBuilder({ capacity: requests.length, addressKey: new Uint8Array() });
  const instances = new Map<string, ReportedInstance>();
  for (const request of requests) {
    const { environment, api, apiId = "", apiVersion, app } = request;
    const key = JSON.stringify([environment, api, apiId, apiVersion, app]);
    const instance = instances.get(key) ?? {
      api: { apiId, name: api, version: apiVersion, environment, app, geography: geographies[geography] },
      addressDetail: "full",
      isUserAgentTold: true,
    };
    instances.set(key, instance);
    builder.add({
      receivedAtMs: request.time,
      instance,
      application: request.application,
      resourcePath: request.resourcePath,
      verb: request.verb,
      status: request.status,
      disposition: dispositions[request.disposition],
      policy:
        request.policy === "" ? undefined : { policyId: request.policyId ?? request.policy, name: request.policy },
      latencyUs: Math.round(request.latencyMs * 1_000),
      upstreamUs: Math.round(request.upstreamMs * 1_000),
      requestBytes: request.requestBytes,
      responseBytes: request.responseBytes,
      clientAddress: request.clientIp,
      userAgent: request.userAgent,
      replica: request.replica,
    });
  }
  const batchName =
    epoch === undefined || sequence === undefined
      ? naming(gateway)
      : { gatewayId: gateway, epoch: BigInt(epoch), sequence: BigInt(sequence) };
  // At least one request is in it, so that there is something to take.
  return Buffer.concat([batchHead(batchName, []), builder.take()?.body ?? new Uint8Array()]);
}

/** Epochs that nobody counts himself: above what a JSON number can say. */
const topBit = 1n << 63n;

/** The same key is the same batch, whenever it comes again. */
export function nameByKey(idempotencyKey: string): NameBatch {
  const digest = createHash("sha256").update(idempotencyKey).digest();
  return (gatewayId) => ({ gatewayId, epoch: topBit | digest.readBigUInt64BE(), sequence: 1n });
}

/** Names in a row that no other process and no earlier start of this one has given. */
export function createBatchCounter(random: () => bigint): NameBatch {
  const numberings = new Map<string, { readonly epoch: bigint; last: bigint }>();
  return (gatewayId) => {
    if (numberings.size > 1_000) numberings.clear(); // new epochs begin
    const numbering = numberings.get(gatewayId) ?? { epoch: topBit | random(), last: 0n };
    numbering.last += 1n;
    numberings.set(gatewayId, numbering);
    return { gatewayId, epoch: numbering.epoch, sequence: numbering.last };
  };
}

function parseJson(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
  } catch (cause) {
    throw new DrawbridgeError({
      kind: "invalid_argument",
      code: "BODY_MALFORMED",
      message: "the body is not JSON",
      cause,
    });
  }
}

function invalid(issues: readonly z.core.$ZodIssue[]): DrawbridgeError {
  const shown = issues.slice(0, shownProblems);
  const more = issues.length > shown.length ? `; ${issues.length - shown.length} more` : "";
  return new DrawbridgeError({
    kind: "invalid_argument",
    code: "ANALYTICS_BATCH_INVALID",
    message: `the batch does not fit: ${issues.length} problem(s)${more}`,
    details: Object.fromEntries(shown.map((issue) => [fieldDetail(issue.path.join(".") || "body"), issue.message])),
  });
}
