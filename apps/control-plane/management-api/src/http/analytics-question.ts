import type { Selection } from "@drawbridge/contracts/analytics/v1/analytics_service";
import { DrawbridgeError, isDrawbridgeError } from "@drawbridge/errors";
import { fieldDetail } from "@drawbridge/rpc";
import type { z } from "zod";
import type { exportQuery } from "./schemas/analytics.ts";

const dayMs = 86_400_000;

type AskedSelection = Pick<z.output<typeof exportQuery>, "from" | "to" | "where">;

/** Requests of one environment; the last day, unless another time was asked for. */
export function selectionOf(
  environment: string,
  { from, to, where }: AskedSelection,
  now: Date,
): Selection & { readonly from: Date; readonly to: Date } {
  const end = to === undefined ? now : new Date(to);
  const begin = from === undefined ? new Date(end.getTime() - dayMs) : new Date(from);
  return { environments: [environment], from: begin, to: end, filters: where };
}

const fieldPrefix = fieldDetail("");

/** The same error, with the names that the fields have here: `where.0` for `selection.filters.0.values`. */
export function describeQueryError(error: unknown): unknown {
  if (!isDrawbridgeError(error, "ANALYTICS_QUERY_INVALID")) return error;
  const details = Object.fromEntries(
    Object.entries(error.details).map(([name, text]) => [
      name.startsWith(fieldPrefix) ? fieldDetail(nameHere(name.slice(fieldPrefix.length))) : name,
      text,
    ]),
  );
  const fields = Object.entries(details).filter(([name]) => name.startsWith(fieldPrefix));
  const message = fields.map(([name, text]) => `${name.slice(fieldPrefix.length)} ${text}`).join("; ");
  return new DrawbridgeError({
    kind: error.kind,
    code: error.code,
    message: message === "" ? error.message : message,
    details,
    cause: error,
  });
}

function nameHere(field: string): string {
  return field
    .replace(/^selection\.filters\b(\.\d+)?.*$/, "where$1")
    .replace(/^selection\.environments$/, "environment")
    .replace(/^selection\./, "")
    .replace(/^(groupBy|measures)\.\d+$/, "$1");
}
