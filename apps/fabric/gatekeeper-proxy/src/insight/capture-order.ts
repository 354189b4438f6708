import { CapturePart, type Capture } from "@drawbridge/contracts/apis/v1/capture";
import { parseCapturePath, parseRedactRule } from "@drawbridge/policies/capture-path";

/** What can be told of an exchange. */
export type ExchangePart = "query" | "requestHeaders" | "requestBody" | "responseHeaders" | "responseBody";

/** A capture that can be followed; survives a structured clone. Empty lists mean any. */
export interface CaptureOrder {
  readonly captureId: string;
  /** Milliseconds since the epoch. */
  readonly startsAtMs: number;
  readonly expiresAtMs: number;
  /** Of the requests that meet it, 0 to 1. */
  readonly share: number;
  readonly methods: readonly string[];
  /** As `templateKey` makes them. */
  readonly templates: readonly string[];
  readonly statusClasses: readonly number[];
  readonly clientApplications: readonly string[];
  readonly parts: readonly ExchangePart[];
  readonly reveal: readonly string[];
  readonly redact: readonly string[];
  readonly perSecond: number;
  readonly most: number;
}

const longestLifeMs = 24 * 3_600_000;
const mostPaths = 100;
const mostConditions = 100;
const mostPerSecond = 100;
const mostExchanges = 100_000;
/** Of one API; more are not followed. */
export const mostCaptures = 8;

const partNames: Readonly<Partial<Record<CapturePart, ExchangePart>>> = {
  [CapturePart.CAPTURE_PART_QUERY]: "query",
  [CapturePart.CAPTURE_PART_REQUEST_HEADERS]: "requestHeaders",
  [CapturePart.CAPTURE_PART_REQUEST_BODY]: "requestBody",
  [CapturePart.CAPTURE_PART_RESPONSE_HEADERS]: "responseHeaders",
  [CapturePart.CAPTURE_PART_RESPONSE_BODY]: "responseBody",
};

/** `undefined`: not one that can be followed whole, so not at all. */
export function readCapture(capture: Capture): CaptureOrder | undefined {
  const { captureId, startsAt, expiresAt, samplePerMillion, exchangesPerSecond, exchanges, reveal, redact } = capture;
  const { methods, pathTemplates, statusClasses, clientApplications } = capture;
  const parts = capture.parts.map((part) => partNames[part]).filter((part) => part !== undefined);
  const startsAtMs = startsAt?.getTime() ?? Number.NaN;
  const expiresAtMs = expiresAt?.getTime() ?? Number.NaN;
  const lifeMs = expiresAtMs - startsAtMs;
  const isSound =
    captureId !== "" &&
    captureId.length <= 64 &&
    lifeMs > 0 &&
    lifeMs <= longestLifeMs &&
    isBetween(samplePerMillion, 1_000_000) &&
    isBetween(exchangesPerSecond, mostPerSecond) &&
    isBetween(exchanges, mostExchanges) &&
    parts.length > 0 &&
    parts.length === capture.parts.length &&
    [methods, pathTemplates, statusClasses, clientApplications].every((list) => list.length <= mostConditions) &&
    [reveal, redact].every((list) => list.length <= mostPaths) &&
    reveal.every((path) => parseCapturePath(path) !== undefined) &&
    redact.every((rule) => parseRedactRule(rule) !== undefined);
  if (!isSound) return undefined;
  return {
    captureId,
    startsAtMs,
    expiresAtMs,
    share: samplePerMillion / 1_000_000,
    methods,
    templates: pathTemplates.map(templateKey),
    statusClasses,
    clientApplications,
    parts,
    reveal,
    redact,
    perSecond: exchangesPerSecond,
    most: exchanges,
  };
}

/** A template without the names of its placeholders: "/orders/{id}" and "/orders/{}" are the same resource. */
export function templateKey(template: string): string {
  return template.replaceAll(/\{[^{}]*\}/g, "{}");
}

function isBetween(count: number, most: number): boolean {
  return Number.isInteger(count) && count >= 1 && count <= most;
}
