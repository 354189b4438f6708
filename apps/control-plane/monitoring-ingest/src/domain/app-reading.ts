import { createHash } from "node:crypto";
import type { Attributes, OtlpPoint } from "../otlp/otlp-message.ts";
import { isOwnMetric, ownFigureOf, type OwnFigure } from "./own-reading.ts";

/** Whose value it is. */
export interface ReplicaKey {
  readonly environment: string;
  readonly app: string;
  /** Empty: the app as a whole. */
  readonly replica: string;
}

/**
 * One of the six figures of MON, or of what the app tells of itself, at one time, as a collector told it. `rank` is that of its
 * metric among those that tell the same, as the CPU or the memory of a replica: the lowest goes first.
 */
export type AppReading = ReplicaKey & { readonly timeMs: number } & (
    | { readonly figure: "cpu"; readonly rank: number; readonly millicores: number }
    | { readonly figure: "memory used" | "memory total"; readonly rank: number; readonly bytes: number }
    | {
        /** What a counter counted: CPU seconds, or requests with their response time. */
        readonly figure: "cpu time" | "requests";
        readonly rank: number;
        /** Which counter, of a cumulative one; empty else. */
        readonly series: string;
        readonly temporality: "delta" | "cumulative";
        readonly startMs: number;
        readonly value: number;
        /** Of a histogram; 0 else. */
        readonly count: number;
        readonly isError: boolean;
      }
    | ({ readonly figure: "own" } & OwnFigure)
  );

export type Reading =
  | { readonly outcome: "taken"; readonly reading: AppReading }
  | { readonly outcome: "refused"; readonly why: string };

type Figure = "cpu" | "cpu time" | "memory used" | "memory total" | "requests";

interface Meaning {
  readonly figure: Figure;
  readonly rank: number;
}

/**
 * Names of OpenTelemetry's semantic conventions; there is none for the limit of a process. The process goes before its
 * container, seconds counted before a sampled rate, and memory that is in use before that with the page cache.
 */
const meanings: ReadonlyMap<string, Meaning> = new Map([
  ["process.cpu.time", { figure: "cpu time", rank: 0 }],
  ["container.cpu.time", { figure: "cpu time", rank: 1 }],
  ["container.cpu.usage", { figure: "cpu", rank: 2 }],
  ["process.memory.usage", { figure: "memory used", rank: 0 }],
  ["container.memory.working_set", { figure: "memory used", rank: 1 }],
  ["container.memory.usage", { figure: "memory used", rank: 2 }],
  ["drawbridge.process.memory.limit", { figure: "memory total", rank: 0 }],
  ["http.server.request.duration", { figure: "requests", rank: 0 }],
]);

export function isUnderstood(metricName: string): boolean {
  return meanings.has(metricName) || isOwnMetric(metricName);
}

/** A collector's queue may be a day old; beyond, and ahead, its clock is wrong. */
const oldestMs = 7 * 86_400_000;
const newestMs = 5 * 60_000;

const namePattern = /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/;
const replicaPattern = /^[\x21-\x7e]{0,128}$/;

/** What a data point says of an app, or why it is not taken. */
export function readingOf(point: OtlpPoint, now: Date): Reading {
  const meaning = meanings.get(point.metric.name);
  const isOwn = isOwnMetric(point.metric.name);
  if (meaning === undefined && !isOwn) return refused("is not a metric that is understood");
  const environment = attribute(point, "deployment.environment.name");
  const app = attribute(point, "service.name");
  const replica = attribute(point, "service.instance.id");
  if (!namePattern.test(environment)) return refused("needs the attribute deployment.environment.name: an environment");
  if (!namePattern.test(app)) return refused("needs the attribute service.name: an app");
  if (!replicaPattern.test(replica))
    return refused("has a service.instance.id that is not 1 to 128 visible characters");
  const ageMs = now.getTime() - point.timeMs;
  if (ageMs > oldestMs || ageMs < -newestMs)
    return refused("has a time more than 7 days old or more than 5 minutes ahead");
  const of = { environment, app, replica, timeMs: point.timeMs };
  if (meaning === undefined) return ownReading(point, of);
  const { figure, rank } = meaning;
  switch (figure) {
    case "cpu":
    case "memory used":
    case "memory total":
      return levelReading(figure, point, { ...of, rank });
    case "cpu time":
    case "requests":
      return counterReading(figure, point, { ...of, rank });
  }
}

type Of = ReplicaKey & { readonly timeMs: number };
type Ranked = Of & Pick<Meaning, "rank">;

function ownReading(point: OtlpPoint, of: Of): Reading {
  const figure = ownFigureOf(point);
  return typeof figure === "string" ? refused(figure) : taken({ ...of, figure: "own", ...figure });
}

function levelReading(figure: "cpu" | "memory used" | "memory total", point: OtlpPoint, of: Ranked): Reading {
  const { metric, value } = point;
  if (metric.kind === "histogram" || metric.isMonotonic) return refused("must be a gauge");
  if (metric.kind === "sum" && metric.temporality !== "cumulative") return refused("must not be a delta");
  if (!isMagnitude(value)) return refused("has a value that cannot be");
  if (figure === "cpu") return taken({ ...of, figure, millicores: value * 1_000 });
  return taken({ ...of, figure, bytes: Math.round(value) });
}

function counterReading(figure: "cpu time" | "requests", point: OtlpPoint, of: Ranked): Reading {
  const { metric, startMs, count } = point;
  const isFitting = figure === "requests" ? metric.kind === "histogram" : metric.kind === "sum" && metric.isMonotonic;
  if (!isFitting) return refused(figure === "requests" ? "must be a histogram" : "must be a monotonic sum");
  if (metric.temporality === "unspecified") return refused("must say whether it is delta or cumulative");
  // A histogram need not tell its sum; without requests there is none.
  const value = Number.isNaN(point.value) ? 0 : point.value;
  if (!isMagnitude(value) || !isMagnitude(count) || !Number.isInteger(count))
    return refused("has a value that cannot be");
  if (startMs > point.timeMs) return refused("begins after its end");
  const unitMs = metric.unit === "ms" ? 1 : 1_000;
  return taken({
    ...of,
    figure,
    series: metric.temporality === "cumulative" ? seriesOf(point) : "",
    temporality: metric.temporality,
    startMs,
    value: value * unitMs,
    count,
    isError: figure === "requests" && isError(point),
  });
}

function attribute(point: OtlpPoint, key: string): string {
  return point.attributes.get(key) ?? point.resource.get(key) ?? "";
}

function isError({ attributes }: OtlpPoint): boolean {
  if (attributes.has("error.type")) return true;
  return Number(attributes.get("http.response.status_code") ?? 0) >= 500;
}

/** 2^53: what a double, and so JSON, tells exactly. */
function isMagnitude(value: number): boolean {
  return value >= 0 && value <= Number.MAX_SAFE_INTEGER;
}

/** What tells one counter of a fabric from every other, as 96 bits. */
function seriesOf({ metric, resource, attributes }: OtlpPoint): string {
  const identity = JSON.stringify([metric.name, metric.unit, sorted(resource), sorted(attributes)]);
  return createHash("sha256").update(identity).digest().subarray(0, 12).toString("base64url");
}

function sorted(attributes: Attributes): readonly (readonly [string, string])[] {
  return [...attributes].toSorted(([a], [b]) => (a < b ? -1 : 1));
}

function refused(why: string): Reading {
  return { outcome: "refused", why };
}

function taken(reading: AppReading): Reading {
  return { outcome: "taken", reading };
}
