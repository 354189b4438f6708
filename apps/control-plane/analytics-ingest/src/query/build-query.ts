import { listOf, type QueryParameters, sql, type Sql } from "@drawbridge/columnar";
import { type AnswerParts, byBucket, byBucketAndGroup, byGroup, ungrouped } from "./answer-forms.ts";
import { bucketAt, bucketParameters } from "./bucket-at.ts";
import type { Dimension } from "./dimensions.ts";
import { type Measure, measures, nothingOf, type Sum } from "./measures.ts";
import { keyAt, partOfSum } from "./names.ts";
import { choosePlan, type Plan } from "./plan.ts";
import { type Selection, selected, selectionParameters } from "./selection.ts";
import { requestsTable, type Table } from "./tables.ts";
import type { TimeRange } from "./time-buckets.ts";

export interface Question {
  readonly selection: Selection;
  /** Its time ends now. */
  readonly reachesNow: boolean;
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

/**
 * The statement for a question. Rows have `bucket` (seconds; 0 without buckets), `group0`… as texts and `value0`… as numbers, and
 * `all_groups`: how many groups there are. Told are those with the largest first measure over the whole time, so that a group has
 * all of its buckets or none.
 *
 * The engine first makes parts: sums by bucket and key, of single requests, or of a roll-up and what it leaves over at both ends.
 * A statement names them once, because to read the rows is what a question costs.
 */
export function buildQuery(question: Question): BuiltQuery {
  const { selection, reachesNow, begins, groupBy, limit } = question;
  const sums = new Set(question.measures.flatMap((measure) => measures[measure].needs));
  const dimensions = new Set([...groupBy, ...selection.filters.map(({ dimension }) => dimension)]);
  const plan = choosePlan({ dimensions, sums, begins, range: selection.range, reachesNow });
  const answer = formOf(question);
  return {
    sql: answer({ parts: partsOf(plan, { question, sums }), groupBy, measures: question.measures }),
    parameters: {
      ...selectionParameters(selection),
      ...timeParameters(plan, selection.range),
      ...bucketParameters(begins),
      ...(groupBy.length > 0 ? { limit } : {}),
    },
    source: plan.kind === "roll-ups" ? plan.shares[0].rollUp.name : "requests",
  };
}

function formOf({ begins, groupBy }: Question): (parts: AnswerParts) => Sql {
  if (begins.length === 0) return groupBy.length === 0 ? ungrouped : byGroup;
  return groupBy.length === 0 ? byBucket : byBucketAndGroup;
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
  // Seconds, as the roll-ups have them: beside milliseconds each row would be converted, half of what such a question costs.
  const middle = sql`bucket >= toDateTime({middle_from:UInt32}) AND bucket < toDateTime({middle_to:UInt32})`;
  const ends = sql`(ts >= {from:DateTime64(3, 'UTC')} AND ts < toDateTime64({middle_from:UInt32}, 3)) OR (ts >= toDateTime64({middle_to:UInt32}, 3) AND ts < {to:DateTime64(3, 'UTC')})`;
  const rest = hasEnds(plan, of.question.selection.range)
    ? [partOf({ rollUp: requestsTable, sums: of.sums }, of, ends)]
    : [];
  return unionOf([...plan.shares.map((share) => partOf(share, of, middle)), ...rest]);
}

/** That the roll-ups leave something over. */
function hasEnds(plan: Plan, { from, to }: TimeRange): boolean {
  return plan.kind === "requests" || plan.from > from.getTime() || plan.to < to.getTime();
}

function timeParameters(plan: Plan, range: TimeRange): QueryParameters {
  return {
    ...(hasEnds(plan, range) ? { from: range.from, to: range.to } : {}),
    ...(plan.kind === "roll-ups" ? { middle_from: plan.from / 1_000, middle_to: plan.to / 1_000 } : {}),
  };
}

function unionOf(parts: readonly Sql[]): Sql {
  return parts.reduce((union, part) => sql`${union} UNION ALL ${part}`);
}

/** Of the sums that the table has no share in, nothing. */
function partOf(
  { rollUp: table, sums: share }: { readonly rollUp: Table; readonly sums: ReadonlySet<Sum> },
  { question, sums }: { readonly question: Question; readonly sums: ReadonlySet<Sum> },
  time: Sql,
): Sql {
  const { selection, begins, groupBy } = question;
  const bucket = begins.length === 0 ? [] : [sql`${bucketAt(table.at, begins)} AS part_bucket`];
  const keyed = groupBy.map((dimension, index) => sql`${table.keyOf(dimension)} AS ${keyAt(index)}`);
  const summed = [...sums].flatMap((sum) => {
    const value = share.has(sum) ? table.sums[sum] : nothingOf(sum);
    return value === undefined ? [] : [sql`${value} AS ${partOfSum(sum)}`]; // choosePlan saw that it is there
  });
  const by = [...(begins.length === 0 ? [] : [sql`part_bucket`]), ...groupBy.map((_, index) => keyAt(index))];
  const grouping = by.length === 0 ? sql`` : sql` GROUP BY ${listOf(by)}`;
  return sql`SELECT ${listOf([...bucket, ...keyed, ...summed])} FROM ${table.from} WHERE (${time}) AND ${selected(selection, table.keyOf)}${grouping}`;
}
