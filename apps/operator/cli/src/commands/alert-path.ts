import { Option } from "commander";

/** What an environment has of alerts: "alert-rules", "alert-silences/<id>". */
export function alertPath(environment: string, ...parts: readonly string[]): string {
  return ["/v1/environments", environment, ...parts]
    .map((part, place) => (place === 0 ? part : encodeURIComponent(part)))
    .join("/");
}

export const alertEnvironmentOption = (): Option =>
  new Option("-e, --environment <name>", "environment of the rules")
    .env("DRAWBRIDGE_ENVIRONMENT")
    .default("production");

/** As many digits as somebody reads: 0.0512, 1234568. */
export function formatFigure(value: number | null): string {
  if (value === null) return "-";
  return Number.isInteger(value) ? String(value) : String(Number(value.toPrecision(4)));
}
