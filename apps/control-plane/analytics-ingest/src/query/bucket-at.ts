import { type QueryParameters, sql, type Sql } from "@drawbridge/columnar";

/** Begins of buckets as they are counted here: seconds since 1970. */
const secondsOf = (begins: readonly number[]): readonly number[] => begins.map((begin) => begin / 1_000);

/**
 * The begin of the bucket that an instant is in, in seconds. Counting is half the price of searching among the begins. The last
 * bucket may be longer than the others: it is the day on which clocks are set back.
 */
export function bucketAt(at: Sql, begins: readonly number[]): Sql {
  if (widthOf(begins) === undefined) return sql`roundDown(toUnixTimestamp(${at}), {begins:Array(UInt32)})`;
  return sql`toUInt32({begin:UInt32} + least(intDiv(toUnixTimestamp(${at}) - {begin:UInt32}, {width:UInt32}), {last:UInt32}) * {width:UInt32})`;
}

/** What `bucketAt` takes; none without buckets. */
export function bucketParameters(begins: readonly number[]): QueryParameters {
  const [begin] = secondsOf(begins);
  if (begin === undefined) return {};
  const width = widthOf(begins);
  return width === undefined ? { begins: secondsOf(begins) } : { begin, width, last: begins.length - 1 };
}

/** In seconds, where all buckets are of one: not where clocks are set within the time, and months never are. */
function widthOf(begins: readonly number[]): number | undefined {
  const [first, second] = secondsOf(begins);
  if (first === undefined || second === undefined) return undefined;
  const width = second - first;
  return secondsOf(begins).every((begin, index) => begin === first + index * width) ? width : undefined;
}
