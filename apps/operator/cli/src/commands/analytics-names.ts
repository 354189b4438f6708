import { InvalidArgumentError } from "commander";
import { formatBytes } from "../output/format.ts";

/** What requests are grouped and filtered by: the word of the command line, the name of the REST API. */
const dimensions: Readonly<Record<string, string>> = {
  api: "api",
  "api-version": "apiVersion",
  application: "application",
  path: "resourcePath",
  verb: "verb",
  status: "statusClass",
  "status-code": "statusCode",
  policy: "violatedPolicy",
  disposition: "disposition",
  "client-ip": "clientIp",
  continent: "continent",
  country: "country",
  city: "city",
  "postal-code": "postalCode",
  "client-zone": "timezone",
  browser: "browser",
  "agent-type": "userAgentType",
  "agent-version": "userAgentVersion",
  hardware: "hardwarePlatform",
  os: "osFamily",
  "os-major": "osMajorVersion",
  "os-minor": "osMinorVersion",
  "os-version": "osVersion",
  app: "app",
  replica: "replica",
  gateway: "gateway",
  fabric: "fabricId",
};

interface MeasureWord {
  readonly name: string;
  readonly text: (value: number) => string;
}

const count = (value: number): string => value.toLocaleString("en");
const ms = (value: number): string => `${value < 100 ? value.toFixed(1) : count(Math.round(value))} ms`;

const measures: Readonly<Record<string, MeasureWord>> = {
  requests: { name: "requests", text: count },
  "client-errors": { name: "clientErrors", text: count },
  "server-errors": { name: "serverErrors", text: count },
  "error-rate": { name: "errorRate", text: (value) => `${(value * 100).toFixed(2)} %` },
  violations: { name: "violations", text: count },
  mean: { name: "latencyMeanMs", text: ms },
  p50: { name: "latencyP50Ms", text: ms },
  p90: { name: "latencyP90Ms", text: ms },
  p95: { name: "latencyP95Ms", text: ms },
  p99: { name: "latencyP99Ms", text: ms },
  max: { name: "latencyMaxMs", text: ms },
  "app-time": { name: "upstreamMeanMs", text: ms },
  "gateway-time": { name: "gatewayMeanMs", text: ms },
  "request-bytes": { name: "requestBytes", text: formatBytes },
  "response-bytes": { name: "responseBytes", text: formatBytes },
  clients: { name: "uniqueClients", text: count },
};

const widths: Readonly<Record<string, string>> = {
  minute: "minute",
  quarter: "quarterHour",
  hour: "hour",
  day: "day",
  week: "week",
  month: "month",
};

export const dimensionWords: readonly string[] = Object.keys(dimensions);
export const measureWords: readonly string[] = Object.keys(measures);
export const widthWords: readonly string[] = Object.keys(widths);

/** The API's name of a dimension. @throws InvalidArgumentError, which names all */
export function dimensionName(word: string): string {
  return lookUp(dimensions, word, "dimension");
}

export function measureName(word: string): string {
  return lookUp(measures, word, "measure").name;
}

export function widthName(word: string): string {
  return lookUp(widths, word, "width");
}

/** Title of a column of a table. */
export function titleOf(name: string): string {
  const word =
    dimensionWords.find((one) => dimensions[one] === name) ?? measureWords.find((one) => measures[one]?.name === name);
  return (word ?? name).toUpperCase();
}

/** A figure for people; "-" where there is none. */
export function figureText(name: string, value: number | null | undefined): string {
  if (value === null || value === undefined) return "-";
  return (
    Object.values(measures)
      .find((measure) => measure.name === name)
      ?.text(value) ?? String(value)
  );
}

function lookUp<T>(words: Readonly<Record<string, T>>, word: string, what: string): T {
  const found = Object.hasOwn(words, word) ? words[word] : undefined;
  if (found === undefined)
    throw new InvalidArgumentError(`"${word}" is no ${what}; there are ${Object.keys(words).join(", ")}.`);
  return found;
}
