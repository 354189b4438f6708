import type { OtlpPoint } from "../otlp/otlp-message.ts";

/** Before the name of a metric that an app tells of itself; what is behind it is as the app calls it. */
const prefix = "drawbridge.app.";
const namePattern = /^[a-zA-Z_][a-zA-Z0-9_]{0,99}$/;
const methods = new Set(["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "CONNECT", "OPTIONS", "TRACE"]);

export type OwnKind = "counter" | "gauge" | "distribution";

/** One figure of an app's own. Its labels are closed sets: a collector cannot make the store keep apart more than these. */
export interface OwnFigure {
  readonly metric: string;
  readonly kind: OwnKind;
  /** HTTP method, "_OTHER" or empty. */
  readonly method: string;
  /** "2xx" and so on, or empty. */
  readonly statusClass: string;
  /** Of a distribution the sum of what was observed. */
  readonly value: number;
  /** Of a distribution; 0 else. */
  readonly count: number;
}

export function isOwnMetric(metricName: string): boolean {
  return metricName.startsWith(prefix);
}

/** What a data point says, or in words why it is not taken. */
export function ownFigureOf(point: OtlpPoint): OwnFigure | string {
  const metric = point.metric.name.slice(prefix.length);
  if (!namePattern.test(metric)) return "has a name that is not 1 to 100 letters, digits and _";
  const kind = kindOf(point);
  if (kind === undefined) return "must be a gauge, a monotonic delta or a histogram of deltas";
  const value = kind === "distribution" && Number.isNaN(point.value) ? 0 : point.value;
  const { count } = point;
  const isPossible = Number.isSafeInteger(count) && count >= 0 && Math.abs(value) <= Number.MAX_SAFE_INTEGER;
  if (!isPossible || (kind === "counter" && value < 0)) return "has a value that cannot be";
  return { metric, kind, method: methodOf(point), statusClass: statusClassOf(point), value, count };
}

function kindOf({ metric }: OtlpPoint): OwnKind | undefined {
  if (metric.kind === "gauge") return "gauge";
  if (metric.temporality !== "delta") return undefined;
  if (metric.kind === "histogram") return "distribution";
  return metric.isMonotonic ? "counter" : undefined;
}

function methodOf({ attributes }: OtlpPoint): string {
  const said = attributes.get("http.request.method") ?? "";
  return said === "" || methods.has(said) ? said : "_OTHER";
}

function statusClassOf({ attributes }: OtlpPoint): string {
  const said = attributes.get("drawbridge.http.status_class") ?? "";
  return /^[1-5]xx$/.test(said) ? said : "";
}
