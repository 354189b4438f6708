import { CapturePart } from "@drawbridge/contracts/apis/v1/capture";
import {
  CaptureState,
  type CaptureRecord,
  type StartCaptureRequest,
} from "@drawbridge/contracts/apis/v1/capture_service";
import {
  BodyForm,
  CaptureLossReason,
  type CapturedBody,
  type CapturedExchange,
} from "@drawbridge/contracts/insight/v1/insight_batch";
import type {
  CaptureFigures,
  ListExchangesResponse,
  StoredExchange,
} from "@drawbridge/contracts/insight/v1/insight_service";
import type { z } from "zod";
import type { captureBody, captureSchema, exchangeLineSchema, shownCaptureSchema } from "../schemas/capture.ts";
import { instantOrNull, required, requiredInstant, safeNumber } from "./values.ts";

type CaptureJson = z.output<typeof captureSchema>;
type Part = CaptureJson["parts"][number];
type Taken = NonNullable<z.output<typeof shownCaptureSchema>["taken"]>;
type ExchangeLine = Extract<z.output<typeof exchangeLineSchema>, { readonly type: "exchange" }>;

const parts = {
  query: CapturePart.CAPTURE_PART_QUERY,
  "request-headers": CapturePart.CAPTURE_PART_REQUEST_HEADERS,
  "request-body": CapturePart.CAPTURE_PART_REQUEST_BODY,
  "answer-headers": CapturePart.CAPTURE_PART_RESPONSE_HEADERS,
  "answer-body": CapturePart.CAPTURE_PART_RESPONSE_BODY,
} as const satisfies Record<Part, CapturePart>;

const states: Readonly<Record<CaptureState, CaptureJson["state"] | undefined>> = {
  [CaptureState.CAPTURE_STATE_UNSPECIFIED]: undefined,
  [CaptureState.CAPTURE_STATE_RUNNING]: "running",
  [CaptureState.CAPTURE_STATE_ENDED]: "ended",
  [CaptureState.CAPTURE_STATE_STOPPED]: "stopped",
  [CaptureState.UNRECOGNIZED]: undefined,
};

const reasons: Readonly<Record<CaptureLossReason, Taken["losses"][number]["reason"]>> = {
  [CaptureLossReason.CAPTURE_LOSS_REASON_UNSPECIFIED]: "unknown",
  [CaptureLossReason.CAPTURE_LOSS_REASON_RATE]: "rate",
  [CaptureLossReason.CAPTURE_LOSS_REASON_MEMORY]: "memory",
  [CaptureLossReason.CAPTURE_LOSS_REASON_UNDELIVERED]: "undelivered",
  [CaptureLossReason.CAPTURE_LOSS_REASON_REFUSED]: "refused",
  [CaptureLossReason.CAPTURE_LOSS_REASON_FAULT]: "fault",
  [CaptureLossReason.UNRECOGNIZED]: "unknown",
};

const forms: Readonly<Record<BodyForm, NonNullable<ExchangeLine["requestBody"]>["form"]>> = {
  [BodyForm.BODY_FORM_UNSPECIFIED]: "unknown",
  [BodyForm.BODY_FORM_EMPTY]: "empty",
  [BodyForm.BODY_FORM_JSON]: "json",
  [BodyForm.BODY_FORM_FIELDS]: "fields",
  [BodyForm.BODY_FORM_OTHER]: "other",
  [BodyForm.BODY_FORM_TOO_LARGE]: "tooLarge",
  [BodyForm.BODY_FORM_INCOMPLETE]: "incomplete",
  [BodyForm.BODY_FORM_MALFORMED]: "malformed",
  [BodyForm.UNRECOGNIZED]: "unknown",
};

const perPercent = 10_000;

export function captureFromJson(
  body: z.output<typeof captureBody>,
): Pick<StartCaptureRequest, "durationSeconds" | "capture"> {
  const { durationSeconds, samplePercent, where, parts: named, reveal, redact, exchangesPerSecond, limit } = body;
  return {
    durationSeconds,
    capture: {
      captureId: "",
      startsAt: undefined,
      expiresAt: undefined,
      samplePerMillion: Math.round(samplePercent * perPercent),
      methods: where.methods,
      pathTemplates: where.paths,
      statusClasses: where.statusClasses.map((name) => Number(name[0])),
      clientApplications: where.applications,
      parts: named.map((name) => parts[name]),
      reveal,
      redact,
      exchangesPerSecond,
      exchanges: limit,
    },
  };
}

export function captureToJson(record: CaptureRecord | undefined): CaptureJson {
  const { capture: order, api: key, state, startedBy, overAt, stoppedBy } = required("capture", record);
  const capture = required("capture", order);
  const api = required("api", key);
  return {
    captureId: capture.captureId,
    environment: api.environment,
    api: api.name,
    apiVersion: api.version,
    state: required("state", states[state]),
    startedAt: requiredInstant("starts_at", capture.startsAt),
    startedBy,
    endsAt: requiredInstant("expires_at", capture.expiresAt),
    overAt: instantOrNull(overAt),
    stoppedBy: stoppedBy === "" ? null : stoppedBy,
    samplePercent: capture.samplePerMillion / perPercent,
    where: {
      methods: capture.methods,
      paths: capture.pathTemplates,
      statusClasses: capture.statusClasses.map((digit) => `${digit}xx`),
      applications: capture.clientApplications,
    },
    parts: capture.parts.map(partName),
    reveal: capture.reveal,
    redact: capture.redact,
    exchangesPerSecond: capture.exchangesPerSecond,
    limit: capture.exchanges,
  };
}

function partName(part: CapturePart): Part {
  // The keys of the record are its names.
  return required(
    "part",
    (Object.keys(parts) as Part[]).find((name) => parts[name] === part),
  );
}

export function takenToJson(figures: CaptureFigures | undefined, keptDays: number): Taken {
  return {
    exchanges: safeNumber("exchanges", figures?.exchanges ?? 0n),
    bytes: safeNumber("bytes", figures?.bytes ?? 0n),
    lastAt: instantOrNull(figures?.lastAt),
    losses: (figures?.losses ?? []).map(({ reason, exchanges }) => ({
      reason: reasons[reason],
      exchanges: safeNumber("exchanges", exchanges),
    })),
    keptDays,
  };
}

export function exchangeLines({ exchanges }: ListExchangesResponse): readonly ExchangeLine[] {
  return exchanges.map(exchangeToJson);
}

function exchangeToJson({ exchange: told, fabricId, storedAt }: StoredExchange): ExchangeLine {
  const exchange: CapturedExchange = required("exchange", told);
  return {
    type: "exchange",
    exchangeId: exchange.exchangeId,
    fabricId,
    at: new Date(Math.min(Number(exchange.receivedAtMs), lastInstantMs)).toISOString(),
    storedAt: requiredInstant("stored_at", storedAt),
    app: exchange.app,
    replica: exchange.replica,
    application: exchange.clientApplication,
    method: exchange.method,
    path: exchange.pathTemplate,
    status: exchange.status,
    violatedPolicy: exchange.violatedPolicy,
    latencyMs: Number(exchange.latencyUs) / 1_000,
    upstreamMs: Number(exchange.upstreamUs) / 1_000,
    query: exchange.query,
    requestHeaders: exchange.requestHeaders,
    requestBody: bodyToJson(exchange.requestBody),
    answerHeaders: exchange.responseHeaders,
    answerBody: bodyToJson(exchange.responseBody),
  };
}

/** The last that a Date can be: what a gateway says of its clock is no reason to tell nothing. */
const lastInstantMs = 8.64e15;

function bodyToJson(body: CapturedBody | undefined): ExchangeLine["requestBody"] {
  if (body === undefined) return null;
  const { bytes, mediaType, form, json, fields, revealed } = body;
  const isJson = form === BodyForm.BODY_FORM_JSON;
  return { bytes: Number(bytes), mediaType, form: forms[form], json: isJson ? json : null, fields, revealed };
}
