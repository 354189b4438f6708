import { listOf, sql, type Sql } from "@drawbridge/columnar";
import { type Dimension, textOfKey } from "./dimensions.ts";
import { type Measure, measures, mergedParts } from "./measures.ts";
import { elementOf, groupAt, keyAt, partOfSum, valueAt, wholeOfSum } from "./names.ts";

/** What a statement makes its answer of. */
export interface AnswerParts {
  /** Sums by bucket and key; the same bucket and key may stand in several rows. */
  readonly parts: Sql;
  readonly groupBy: readonly Dimension[];
  readonly measures: readonly Measure[];
}

export function ungrouped({ parts, measures: asked }: AnswerParts): Sql {
  return sql`SELECT 0 AS bucket, 1 AS all_groups, ${listOf(valuesOf(asked))} FROM (${parts})`;
}

export function byBucket({ parts, measures: asked }: AnswerParts): Sql {
  return sql`SELECT part_bucket AS bucket, 1 AS all_groups, ${listOf(valuesOf(asked))} FROM (${parts}) GROUP BY part_bucket ORDER BY part_bucket`;
}

/** Texts are made of the groups that are told, not of all that there are. */
export function byGroup({ parts, groupBy, measures: asked }: AnswerParts): Sql {
  const keys = listOf(keysOf(groupBy));
  const order = sql`${valueAt(0)} DESC, ${keys}`;
  const largest = sql`SELECT ${keys}, ${listOf(valuesOf(asked))}, count() OVER () AS there FROM (${parts}) GROUP BY ${keys} ORDER BY ${order} LIMIT {limit:UInt32}`;
  return sql`SELECT 0 AS bucket, there AS all_groups, ${listOf([...textsOf(groupBy), ...namesOf(asked)])} FROM (${largest}) ORDER BY ${order}`;
}

/** A group's buckets wait in an array until its place among the groups is known, which takes its sums over the whole time. */
export function byBucketAndGroup({ parts, groupBy, measures: asked }: AnswerParts): Sql {
  const keys = listOf(keysOf(groupBy));
  const first = asked[0] === undefined ? { needs: [], value: sql`0` } : measures[asked[0]];
  const wholes = first.needs.map((sum) => sql`${mergedParts(sum)} AS ${wholeOfSum(sum)}`);
  const inBuckets = sql`SELECT part_bucket, ${listOf([keys, ...valuesOf(asked), ...wholes])} FROM (${parts}) GROUP BY part_bucket, ${keys}`;
  const wholesAsParts = first.needs.map((sum) => sql`${wholeOfSum(sum)} AS ${partOfSum(sum)}`);
  const renamed = sql`SELECT part_bucket, ${listOf([keys, ...namesOf(asked), ...wholesAsParts])} FROM (${inBuckets})`;
  const bucket = sql`tuple(part_bucket, ${listOf(namesOf(asked))})`;
  const largest = sql`SELECT ${keys}, groupArray(${bucket}) AS buckets, count() OVER () AS there FROM (${renamed}) GROUP BY ${keys} ORDER BY ${first.value} DESC, ${keys} LIMIT {limit:UInt32}`;
  const values = asked.map((_, index) => sql`${elementOf(sql`one`, index + 1)} AS ${valueAt(index)}`);
  return sql`SELECT ${elementOf(sql`one`, 0)} AS bucket, there AS all_groups, ${listOf([...textsOf(groupBy), ...values])} FROM (${largest}) ARRAY JOIN buckets AS one ORDER BY bucket, ${valueAt(0)} DESC, ${keys}`;
}

function keysOf(groupBy: readonly Dimension[]): readonly Sql[] {
  return groupBy.map((_, index) => keyAt(index));
}

function textsOf(groupBy: readonly Dimension[]): readonly Sql[] {
  return groupBy.map((dimension, index) => sql`${textOfKey(dimension, keyAt(index))} AS ${groupAt(index)}`);
}

/** The figures, over parts. */
function valuesOf(asked: readonly Measure[]): readonly Sql[] {
  return asked.map((measure, index) => sql`toFloat64(${measures[measure].value}) AS ${valueAt(index)}`);
}

function namesOf(asked: readonly Measure[]): readonly Sql[] {
  return asked.map((_, index) => valueAt(index));
}
