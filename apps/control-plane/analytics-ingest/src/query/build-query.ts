import { identifiers, listOf, type QueryParameters, sql, type Sql } from "@drawbridge/columnar";
import { type Dimension, textOfKey } from "./dimensions.ts";
import { type Measure, measures, nothingOf, type Sum } from "./measures.ts";
import { choosePlan, type Plan } from "./plan.ts";
import { type Selection, selected, selectionParameters } from "./selection.ts";
import { requestsTable, type Table } from "./tables.ts";

export interface Question {
  readonly selection: Selection;
  /** Begins of the buckets; empty for one figure over the whole time. */
  readonly begins: readonly number[];
  /** At most four, each once. */
  readonly groupBy: readonly Dimension[];
  /** One to eight, each once; the first one decides the order. */
  readonly measures: readonly Measure[];
  /** Groups at most. */
  readonly limit: number;
}

export interface BuiltQuery {
  readonly sql: Sql;
  readonly parameters: QueryParameters;
  /** Name of the table, of two the first. */
  readonly source: Table["name"];
}

export const mostGroupings = 4;
export const mostMeasures = 8;
const keyNames = ["key0", "key1", "key2", "key3"] as const;
const keys = identifiers(keyNames);
const groupNames = ["group0", "group1", "group2", "group3"] as const;
const groups = identifiers(groupNames);
const valueNames = ["value0", "value1", "value2", "value3", "value4", "value5", "value6", "value7"] as const;
const values = identifiers(valueNames);
const parts = identifiers([
  "part_requests",
  "part_client_errors",
  "part_server_errors",
  "part_violations",
  "part_latency_us",
  "part_latency_max_us",
  "part_latency",
  "part_upstream_us",
  "part_request_bytes",
  "part_response_bytes",
  "part_clients",
]);

/**
 * The statement for a question. Rows have `bucket` (seconds; 0 without buckets), `group0`… as texts and `value0`… as numbers, and
 * `all_groups`: how many groups there are, at most one more than the limit. The groups are those with the largest first measure
 * over the whole time, so that a group has all of its buckets or none.
 *
 * The engine first makes parts: sums by bucket and key, of single requests, or of a roll-up and what it leaves over at both ends.
 */
export function buildQuery(question: Question): BuiltQuery {
  const { selection, begins, groupBy, limit } = question;
  const rules = question.measures.map((measure) => measures[measure]);
  const sums = new Set(rules.flatMap(({ needs }) => needs));
  const dimensions = new Set([...groupBy, ...selection.filters.map(({ dimension }) => dimension)]);
  const plan = choosePlan({ dimensions, sums, begins, range: selection.range });
  const source = partsOf(plan, { question, sums });
  const keyList = groupBy.map((_, index) => keyAt(index));
  const told = [
    ...groupBy.map(
      (dimension, index) => sql`${textOfKey(dimension, keyAt(index))} AS ${groups(at(groupNames, index))}`,
    ),
    ...rules.map(({ value }, index) => sql`toFloat64(${value}) AS ${values(at(valueNames, index))}`),
  ];
  const text =
    groupBy.length === 0 ? ungrouped(source, told, begins) : grouped(source, { told, keyList, rules, begins });
  return {
    sql: text,
    parameters: {
      ...selectionParameters(selection),
      from: selection.range.from,
      to: selection.range.to,
      ...(plan.kind === "roll-ups" ? { middle_from: new Date(plan.from), middle_to: new Date(plan.to) } : {}),
      ...(begins.length > 0 ? { begins: begins.map((begin) => begin / 1_000) } : {}),
      ...(groupBy.length > 0 ? { limit, one_more: limit + 1 } : {}),
    },
    source: plan.kind === "roll-ups" ? plan.shares[0].rollUp.name : "requests",
  };
}

function ungrouped(source: Sql, told: readonly Sql[], begins: readonly number[]): Sql {
  if (begins.length === 0) return sql`SELECT 0 AS bucket, 1 AS all_groups, ${listOf(told)} FROM (${source})`;
  return sql`SELECT part_bucket AS bucket, 1 AS all_groups, ${listOf(told)} FROM (${source}) GROUP BY part_bucket ORDER BY part_bucket`;
}

function grouped(
  source: Sql,
  of: {
    readonly told: readonly Sql[];
    readonly keyList: readonly Sql[];
    readonly rules: readonly { readonly value: Sql }[];
    readonly begins: readonly number[];
  },
): Sql {
  const told = listOf(of.told);
  const list = listOf(of.keyList);
  const first = of.rules[0]?.value ?? sql`0`;
  const count = sql`(SELECT count() FROM (SELECT ${list} FROM (${source}) GROUP BY ${list} LIMIT {one_more:UInt32}))`;
  if (of.begins.length === 0) {
    return sql`SELECT 0 AS bucket, ${count} AS all_groups, ${told} FROM (${source}) GROUP BY ${list} ORDER BY ${first} DESC, ${list} LIMIT {limit:UInt32}`;
  }
  const largest = sql`SELECT ${list} FROM (${source}) GROUP BY ${list} ORDER BY ${first} DESC, ${list} LIMIT {limit:UInt32}`;
  return sql`SELECT part_bucket AS bucket, ${count} AS all_groups, ${told} FROM (${source}) WHERE (${list}) GLOBAL IN (${largest}) GROUP BY part_bucket, ${list} ORDER BY part_bucket, ${first} DESC, ${list}`;
}

/** Sums by bucket and key. */
function partsOf(plan: Plan, of: { readonly question: Question; readonly sums: ReadonlySet<Sum> }): Sql {
  if (plan.kind === "requests") {
    return partOf(
      { rollUp: requestsTable, sums: of.sums },
      of,
      sql`ts >= {from:DateTime64(3, 'UTC')} AND ts < {to:DateTime64(3, 'UTC')}`,
    );
  }
  const middle = sql`bucket >= {middle_from:DateTime64(3, 'UTC')} AND bucket < {middle_to:DateTime64(3, 'UTC')}`;
  const ends = sql`(ts >= {from:DateTime64(3, 'UTC')} AND ts < {middle_from:DateTime64(3, 'UTC')}) OR (ts >= {middle_to:DateTime64(3, 'UTC')} AND ts < {to:DateTime64(3, 'UTC')})`;
  const rest = partOf({ rollUp: requestsTable, sums: of.sums }, of, ends);
  return plan.shares.reduce((parts, share) => sql`${partOf(share, of, middle)} UNION ALL ${parts}`, rest);
}

/** Of the sums that the table has no share in, nothing. */
function partOf(
  { rollUp: table, sums: share }: { readonly rollUp: Table; readonly sums: ReadonlySet<Sum> },
  { question, sums }: { readonly question: Question; readonly sums: ReadonlySet<Sum> },
  time: Sql,
): Sql {
  const { selection, begins, groupBy } = question;
  const bucket =
    begins.length === 0 ? [] : [sql`roundDown(toUnixTimestamp(${table.at}), {begins:Array(UInt32)}) AS part_bucket`];
  const keyed = groupBy.map((dimension, index) => sql`${table.keyOf(dimension)} AS ${keyAt(index)}`);
  const summed = [...sums].flatMap((sum) => {
    const value = share.has(sum) ? table.sums[sum] : nothingOf(sum);
    return value === undefined ? [] : [sql`${value} AS ${parts(`part_${sum}`)}`]; // choosePlan saw that it is there
  });
  const by = [...(begins.length === 0 ? [] : [sql`part_bucket`]), ...groupBy.map((_, index) => keyAt(index))];
  const grouping = by.length === 0 ? sql`` : sql` GROUP BY ${listOf(by)}`;
  return sql`SELECT ${listOf([...bucket, ...keyed, ...summed])} FROM ${table.from} WHERE (${time}) AND ${selected(selection, table.keyOf)}${grouping}`;
}

function keyAt(index: number): Sql {
  return keys(at(keyNames, index));
}

function at<N extends string>(names: readonly N[], index: number): N {
  const name = names[index];
  if (name === undefined) throw new RangeError(`there are ${names.length} names`);
  return name;
}
