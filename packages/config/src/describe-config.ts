import { z } from "zod";
import type { ConfigSchema } from "./load-config.ts";

export interface ConfigRow {
  readonly name: string;
  /** The default as one would write it, "required" or "none". */
  readonly default: string;
  readonly description: string;
}

/** What a schema asks of the environment. */
export function describeConfig(schema: ConfigSchema, prefix = "DRAWBRIDGE_"): readonly ConfigRow[] {
  return Object.entries(schema.shape).map(([key, field]) => {
    const type = field as z.ZodType; // a ZodObject's shape holds nothing else
    const fallback = type.safeParse(undefined);
    const { description } = z.globalRegistry.get(type) ?? {};
    return {
      name: prefix + key,
      default: fallback.success ? defaultText(fallback.data) : "required",
      description: description ?? "",
    };
  });
}

/** The table for a README, laid out as the formatter does it: a test there compares it, so that it cannot grow stale. */
export function configTable(schema: ConfigSchema, prefix?: string): string {
  const rows = describeConfig(schema, prefix).map((row) => [
    `\`${row.name}\``,
    cell(row.default),
    cell(row.description),
  ]);
  const table = [["variable", "default", "meaning"], ...rows];
  const widths = [0, 1, 2].map((column) => Math.max(...table.map((row) => row[column]?.length ?? 0)));
  const line = (cells: readonly string[]): string =>
    `| ${cells.map((text, column) => text.padEnd(widths[column] ?? 0)).join(" | ")} |`;
  const [header = [], ...body] = table;
  return [line(header), line(widths.map((width) => "-".repeat(width))), ...body.map(line)].join("\n");
}

function defaultText(value: unknown): string {
  if (value === undefined) return "none";
  if (typeof value === "object" && value !== null && "host" in value && "port" in value)
    return `${String(value.host)}:${String(value.port)}`;
  return typeof value === "string" ? value : JSON.stringify(value);
}

function cell(text: string): string {
  return text.replaceAll("|", "\\|");
}
