import type { Exposition } from "./read-exposition.ts";

/** A figure that an app tells of itself, over all labels but these two, whose values are a closed set. */
export interface OwnSeries {
  readonly name: string;
  readonly kind: "counter" | "gauge" | "histogram";
  /** HTTP method, "_OTHER" for one that is none of RFC 9110's; empty where it has none. */
  readonly method: string;
  /** "2xx" and so on; empty where it has none. */
  readonly status: string;
  /** Of a histogram the sum of what was observed. */
  readonly value: number;
  /** Of a histogram; 0 else. */
  readonly count: number;
}

/** What may leave without being named in a manifest: requests and the process, as client libraries call them. */
export const usualNames = [
  "http_server_request_duration_seconds",
  "http_request_duration_seconds",
  "http_requests_total",
  "process_cpu_seconds_total",
  "process_resident_memory_bytes",
  "process_open_fds",
] as const;

const methodLabels = ["method", "http_request_method", "http_method"];
const statusLabels = ["status", "code", "status_code", "http_response_status_code", "http_status_code"];
const methods = new Set(["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "CONNECT", "OPTIONS", "TRACE"]);
/** Of one replica. */
const maxSeries = 100;

/** Whether a line of that name is looked at: a histogram's are called otherwise than it. */
export function wantedNames(named: readonly string[]): (name: string) => boolean {
  const wanted = new Set([...usualNames, ...named].flatMap((name) => [name, `${name}_sum`, `${name}_count`]));
  return (name) => wanted.has(name);
}

/**
 * The figures of one reading. No text of the app's own gets further: names come from the manifest, the values of the two labels
 * from closed sets, everything else is added up.
 */
export function ownSeries({ types, samples }: Exposition, named: readonly string[]): readonly OwnSeries[] {
  const names = new Set<string>([...usualNames, ...named]);
  const series = new Map<string, OwnSeries>();
  for (const { name, labels, value } of samples) {
    if (!Number.isFinite(value)) continue;
    const figure = figureOf(name, { types, names });
    if (figure === undefined || (figure.kind !== "gauge" && value < 0)) continue;
    const method = methodOf(labels);
    const status = statusOf(labels);
    const key = seriesKey({ ...figure, method, status });
    const known = series.get(key) ?? { name: figure.name, kind: figure.kind, method, status, value: 0, count: 0 };
    if (!series.has(key) && series.size >= maxSeries) continue;
    const part = figure.part === "count" ? { count: known.count + value } : { value: known.value + value };
    series.set(key, { ...known, ...part });
  }
  return [...series.values()].filter(({ value, count }) => isExact(value) && isExact(count));
}

export function seriesKey(of: Pick<OwnSeries, "name" | "kind" | "method" | "status">): string {
  return `${of.name} ${of.kind} ${of.method} ${of.status}`;
}

interface Figure {
  readonly name: string;
  readonly kind: OwnSeries["kind"];
  readonly part: "value" | "count";
}

function figureOf(
  name: string,
  { types, names }: { readonly types: Exposition["types"]; readonly names: ReadonlySet<string> },
): Figure | undefined {
  const [, family = "", part] = /^(.*)_(sum|count)$/.exec(name) ?? [];
  if (part !== undefined && names.has(family) && isDistribution(types.get(family))) {
    return { name: family, kind: "histogram", part: part === "count" ? "count" : "value" };
  }
  const type = types.get(name) ?? types.get(name.replace(/_total$/, ""));
  // The quantiles of a summary say nothing that could be added up.
  if (!names.has(name) || isDistribution(type)) return undefined;
  const isCounter = type === "counter" || (type !== "gauge" && name.endsWith("_total"));
  return { name, kind: isCounter ? "counter" : "gauge", part: "value" };
}

function isDistribution(type: string | undefined): boolean {
  return type === "histogram" || type === "summary";
}

function methodOf(labels: ReadonlyMap<string, string>): string {
  const said = firstOf(labels, methodLabels)?.toUpperCase();
  if (said === undefined) return "";
  return methods.has(said) ? said : "_OTHER";
}

function statusOf(labels: ReadonlyMap<string, string>): string {
  const said = firstOf(labels, statusLabels);
  return said !== undefined && /^[1-5](\d\d|xx)$/i.test(said) ? `${said.slice(0, 1)}xx` : "";
}

function firstOf(labels: ReadonlyMap<string, string>, names: readonly string[]): string | undefined {
  return names.map((name) => labels.get(name)).find((value) => value !== undefined && value !== "");
}

/** What a double, and so JSON, tells exactly. */
function isExact(value: number): boolean {
  return Math.abs(value) <= Number.MAX_SAFE_INTEGER;
}
