import { allOf, type QueryParameters, sql, type Sql } from "@drawbridge/columnar";
import { type Dimension, filterValues, isOneOf } from "./dimensions.ts";
import { queryInvalid } from "./query-error.ts";
import type { Table } from "./tables.ts";
import type { TimeRange } from "./time-buckets.ts";

export interface Filter {
  readonly dimension: Dimension;
  readonly values: readonly string[];
  readonly negated: boolean;
}

/** Requests that a question is about; made by `checkSelection`. */
export interface Selection {
  readonly environments: readonly string[];
  readonly range: TimeRange;
  /** Values are those of statements. */
  readonly filters: readonly Filter[];
}

const mostEnvironments = 100;
const earliest = Date.UTC(2000, 0, 1);
const latest = Date.UTC(2100, 0, 1);

/** A statement's text is fixed, so that filters beyond these have no parameter. */
const filterSlots: readonly Sql[] = [
  sql`{filter0:Array(String)}`,
  sql`{filter1:Array(String)}`,
  sql`{filter2:Array(String)}`,
  sql`{filter3:Array(String)}`,
  sql`{filter4:Array(String)}`,
  sql`{filter5:Array(String)}`,
  sql`{filter6:Array(String)}`,
  sql`{filter7:Array(String)}`,
  sql`{filter8:Array(String)}`,
  sql`{filter9:Array(String)}`,
];

/** @throws DrawbridgeError `ANALYTICS_QUERY_INVALID`, which names the field */
export function checkSelection(asked: {
  readonly environments: readonly string[];
  readonly from: Date | undefined;
  readonly to: Date | undefined;
  readonly filters: readonly Filter[];
}): Selection {
  const { environments, filters } = asked;
  if (environments.length === 0) throw queryInvalid("selection.environments", "must name at least one");
  if (environments.length > mostEnvironments) {
    throw queryInvalid("selection.environments", `must name at most ${mostEnvironments}`);
  }
  const from = checkInstant(asked.from, "selection.from");
  const to = checkInstant(asked.to, "selection.to");
  if (from >= to) throw queryInvalid("selection.to", "must be after from");
  if (filters.length > filterSlots.length) {
    throw queryInvalid("selection.filters", `must be at most ${filterSlots.length}`);
  }
  return {
    environments,
    range: { from, to },
    filters: filters.map(({ dimension, values, negated }, index) => ({
      dimension,
      negated,
      values: filterValues(dimension, values, `selection.filters.${index}.values`),
    })),
  };
}

function checkInstant(instant: Date | undefined, field: string): Date {
  const ms = instant?.getTime() ?? Number.NaN;
  if (instant === undefined || !(ms >= earliest && ms <= latest)) {
    throw queryInvalid(field, "must be an instant from 2000 to 2100");
  }
  return instant;
}

/** Which rows of a table are of the environments and pass the filters; the time is the caller's to say. */
export function selected(selection: Selection, keyOf: Table["keyOf"]): Sql {
  const conditions = selection.filters.flatMap(({ dimension, negated }, index) => {
    const values = filterSlots[index];
    if (values === undefined) return []; // checkSelection counted them
    const condition = isOneOf(dimension, keyOf(dimension), values);
    return negated ? sql`NOT ${condition}` : condition;
  });
  return allOf([sql`environment IN {environments:Array(String)}`, ...conditions]);
}

/** What `selected` names. */
export function selectionParameters({ environments, filters }: Selection): QueryParameters {
  return {
    environments,
    ...Object.fromEntries(filters.map(({ values }, index) => [`filter${index}`, values])),
  };
}
