import type {
  ListRequestsRequest,
  QueryRequest,
  Selection as ContractSelection,
} from "@drawbridge/contracts/analytics/v1/analytics_service";
import type { Question } from "./build-query.ts";
import { bucketOf, dimensionOf, measureOf } from "./contract-names.ts";
import { mostRecords } from "./list-requests.ts";
import { mostGroupings, mostMeasures } from "./names.ts";
import { queryInvalid } from "./query-error.ts";
import { checkSelection, type Selection } from "./selection.ts";
import { assertTimeZone, bucketBegins } from "./time-buckets.ts";

const defaultGroups = 1_000;
const mostGroups = 10_000;
/** A time that ended so lately ends now: for whoever asked, it did, and of these seconds not everything has come in yet. */
const presentMs = 5_000;

/** @throws DrawbridgeError `ANALYTICS_QUERY_INVALID`, which names the field; so do all below */
export function questionFrom(request: QueryRequest, now: Date): Question {
  const selection = selectionFrom(request.selection);
  const groupBy = request.groupBy.map((dimension, index) => dimensionOf(dimension, `groupBy.${index}`));
  const measures = request.measures.map((measure, index) => measureOf(measure, `measures.${index}`));
  assertList(groupBy, { field: "groupBy", least: 0, most: mostGroupings });
  assertList(measures, { field: "measures", least: 1, most: mostMeasures });
  const timeZone = assertTimeZone(request.timeZone);
  const bucket = bucketOf(request.bucket);
  return {
    selection,
    reachesNow: selection.range.to.getTime() >= now.getTime() - presentMs,
    begins: bucket === undefined ? [] : bucketBegins(bucket, timeZone, selection.range),
    groupBy,
    measures,
    limit: request.limit === 0 ? defaultGroups : assertLimit(request.limit, mostGroups),
  };
}

export function listFrom(request: ListRequestsRequest): { readonly selection: Selection; readonly limit: number } {
  const { selection, follow } = request;
  // With follow the end is not looked at, and may be missing.
  const asked = follow && selection !== undefined ? { ...selection, to: new Date(Date.UTC(2099, 0, 1)) } : selection;
  return { selection: selectionFrom(asked), limit: assertLimit(request.limit, mostRecords) };
}

export function selectionFrom(selection: ContractSelection | undefined): Selection {
  if (selection === undefined) throw queryInvalid("selection", "is missing");
  return checkSelection({
    environments: selection.environments,
    from: selection.from,
    to: selection.to,
    filters: selection.filters.map(({ dimension, values, negated }, index) => ({
      dimension: dimensionOf(dimension, `selection.filters.${index}.dimension`),
      values,
      negated,
    })),
  });
}

function assertList(
  names: readonly string[],
  { field, least, most }: { readonly field: string; readonly least: number; readonly most: number },
): void {
  if (names.length < least || names.length > most) throw queryInvalid(field, `must be ${least} to ${most}`);
  if (new Set(names).size < names.length) throw queryInvalid(field, "must name each once");
}

function assertLimit(limit: number, most: number): number {
  if (limit > most) throw queryInvalid("limit", `must be at most ${most.toLocaleString("en")}`);
  return limit;
}
