import type {
  DeadLetter,
  GatewayIntake,
  ListRequestsResponse,
  QueryResponse,
  RequestRecord,
} from "@drawbridge/contracts/analytics/v1/analytics_service";
import type { z } from "zod";
import type { analyticsSchema, deadLetterSchema, intakeSchema, requestLineSchema } from "../schemas/analytics.ts";
import { type DimensionName, dispositionNames, gapReasonNames, type MeasureName } from "./analytics-names.ts";
import { instantOrNull, requiredInstant, safeNumber } from "./values.ts";

export interface AskedFigures {
  readonly from: Date;
  readonly to: Date;
  readonly timeZone: string;
  readonly bucket: string | undefined;
  readonly groupBy: readonly DimensionName[];
  readonly measures: readonly MeasureName[];
}

export function analyticsToJson(asked: AskedFigures, answer: QueryResponse): z.output<typeof analyticsSchema> {
  const { groupBy, measures } = asked;
  return {
    from: asked.from.toISOString(),
    to: asked.to.toISOString(),
    timeZone: asked.timeZone === "" ? "UTC" : asked.timeZone,
    bucket: asked.bucket ?? null,
    groupBy: [...groupBy],
    measures: [...measures],
    buckets: answer.buckets.map((begin) => begin.toISOString()),
    rows: answer.rows.map(({ bucket, group, values }) => ({
      bucket: instantOrNull(bucket),
      group: Object.fromEntries(groupBy.map((name, index) => [name, group[index] ?? ""])),
      values: Object.fromEntries(measures.map((name, index) => [name, numberOrNull(values[index])])),
    })),
    isCut: answer.isCut,
    missingRequests: safeNumber("missing_requests", answer.missingRequests),
    source: answer.source,
    keptSince: requiredInstant("kept_since", answer.keptSince),
  };
}

/** NaN is how the contract says that there is none; JSON cannot. */
function numberOrNull(value: number | undefined): number | null {
  return value === undefined || !Number.isFinite(value) ? null : value;
}

type RequestLine = z.output<typeof requestLineSchema>;

export function requestLines({ requests, leftOut }: ListRequestsResponse): readonly RequestLine[] {
  const told = requests.map(requestToJson);
  return leftOut > 0n ? [{ type: "leftOut", requests: Number(leftOut) }, ...told] : told;
}

function requestToJson({ time, disposition, ...record }: RequestRecord): RequestLine {
  return {
    type: "request",
    time: requiredInstant("time", time),
    ...record,
    disposition: dispositionNames[disposition],
  };
}

type IntakeGateway = z.output<typeof intakeSchema>["gateways"][number];

export function gatewayIntakeToJson(gateway: GatewayIntake, fabric: string | null): IntakeGateway {
  return {
    fabricId: gateway.fabricId,
    fabric,
    gateway: gateway.gatewayId,
    lastBatchAt: instantOrNull(gateway.lastBatchAt),
    requests: safeNumber("requests", gateway.requests),
    missing: gateway.missing.map(({ requests, from, to, reason }) => ({
      requests: safeNumber("requests", requests),
      from: requiredInstant("from", from),
      to: requiredInstant("to", to),
      reason: gapReasonNames[reason],
    })),
  };
}

export function deadLetterToJson(letter: DeadLetter): z.output<typeof deadLetterSchema> {
  const { id, fabricId, gatewayId, time, code, message, bytes, attempts } = letter;
  return {
    id: String(id),
    fabricId,
    gateway: gatewayId,
    time: requiredInstant("time", time),
    code,
    message,
    bytes,
    attempts,
  };
}
