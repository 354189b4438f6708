import {
  gatekeeperValues,
  runtimeLines,
  type GatekeeperLevel,
  type GatekeeperValue,
  type RuntimeLine,
  type RuntimeVersion,
} from "./level-table.ts";

/** Where the nearest value of the property was written. */
export type LevelOrigin = "app" | "environment" | "fabric";

export interface ResolvedLevel {
  readonly level: GatekeeperLevel;
  /** A `LevelOrigin`, or "runtime version 4.1.0" where nobody wrote a value. */
  readonly source: string;
  /** Sentences for the operator: an old spelling, a level that lets requests through. */
  readonly warnings: readonly string[];
}

export interface LevelError {
  /** One sentence: what is wrong with the value or the version, and what would be valid. */
  readonly error: string;
}

/** Of an app whose manifest names none. */
const assumedVersion = "4.1.0";

/**
 * The level of an app's gates by its runtime version and the property's value (GK 5-7). An error is refused when somebody
 * saves or deploys; a gateway that meets one is strict (`levelAtRunTime`).
 * @param value `undefined` or "": not written anywhere
 * @param origin where the value was written
 */
export function resolveLevel(
  runtimeVersion: string | undefined,
  value: string | undefined,
  origin: LevelOrigin,
): ResolvedLevel | LevelError {
  const text = runtimeVersion === undefined || runtimeVersion === "" ? assumedVersion : runtimeVersion;
  const version = parseVersion(text);
  if (version === undefined) return { error: `the runtime version ${quoted(text)} is not one like "4.9.0"` };
  const line = lineOf(version);
  if (value === undefined || value === "") return defaultOf(line, text);
  const level = isGatekeeperValue(value) ? line.values[value] : undefined;
  if (level === undefined) return { error: invalidValue(value, { line, version: text }) };
  return { level, source: origin, warnings: warningsOf(value, level) };
}

/** The same at run time, where somebody must decide: what is not valid counts as strict, never as disabled. */
export function levelAtRunTime(
  runtimeVersion: string | undefined,
  value: string | undefined,
  origin: LevelOrigin,
): ResolvedLevel & { readonly error: string | undefined } {
  const resolved = resolveLevel(runtimeVersion, value, origin);
  if (!("error" in resolved)) return { ...resolved, error: undefined };
  const isValueWritten = value !== undefined && value !== "";
  return { level: "strict", source: isValueWritten ? origin : "runtime version", warnings: [], error: resolved.error };
}

function defaultOf({ defaultLevel }: RuntimeLine, version: string): ResolvedLevel {
  const source = `runtime version ${version}`;
  if (defaultLevel !== "none") return { level: defaultLevel, source, warnings: [] };
  return {
    level: "disabled",
    source,
    warnings: [`runtime ${version} has no gatekeeper: requests may arrive before policies apply`],
  };
}

function warningsOf(value: string, level: GatekeeperLevel): readonly string[] {
  const old =
    value === "true" || value === "false"
      ? [`"${value}" is accepted for backward compatibility and means ${level}`]
      : [];
  const open = level === "disabled" ? ["requests may arrive before policies apply"] : [];
  return [...old, ...open];
}

function invalidValue(
  value: string,
  { line, version }: { readonly line: RuntimeLine; readonly version: string },
): string {
  const valid = gatekeeperValues.filter((candidate) => line.values[candidate] !== undefined);
  const instead = valid.length === 0 ? "it has no gatekeeper" : `valid are ${valid.join(", ")}`;
  return `the gatekeeper level ${quoted(value)} is not valid for runtime ${version}: ${instead}`;
}

/** "4.9.0", "4.9", "4.9.0-SNAPSHOT", "4.9.0:20-java17". */
function parseVersion(text: string): RuntimeVersion | undefined {
  const match = /^(\d{1,4})\.(\d{1,4})(?:\.(\d{1,4}))?(?:[-+:.][\w.+:-]{0,64})?$/.exec(text);
  if (match === null) return undefined;
  return [Number(match[1]), Number(match[2]), Number(match[3] ?? 0)];
}

function lineOf(version: RuntimeVersion): RuntimeLine {
  const line = runtimeLines.findLast(({ from }) => compareVersions(from, version) <= 0);
  if (line === undefined) throw new Error("the first line begins at 0.0.0, below every version");
  return line;
}

function compareVersions(a: RuntimeVersion, b: RuntimeVersion): number {
  return a[0] - b[0] || a[1] - b[1] || a[2] - b[2];
}

function isGatekeeperValue(value: string): value is GatekeeperValue {
  return gatekeeperValues.some((candidate) => candidate === value);
}

/** For a message: what somebody wrote, cut to what can be read. */
function quoted(text: string): string {
  return JSON.stringify(text.length > 40 ? `${text.slice(0, 40)}...` : text);
}
