import { identifiers, sql, type Sql } from "@drawbridge/columnar";
import type { Sum } from "./measures.ts";

export const mostGroupings = 4;
export const mostMeasures = 8;

const key = identifiers(["key0", "key1", "key2", "key3"]);
const group = identifiers(["group0", "group1", "group2", "group3"]);
const value = identifiers(["value0", "value1", "value2", "value3", "value4", "value5", "value6", "value7"]);
const sums = [
  "requests",
  "client_errors",
  "server_errors",
  "violations",
  "latency_us",
  "latency_max_us",
  "latency",
  "upstream_us",
  "request_bytes",
  "response_bytes",
  "clients",
] as const satisfies readonly Sum[];
const part = identifiers(sums.map((sum) => `part_${sum}` as const));
const whole = identifiers(sums.map((sum) => `whole_${sum}` as const));
const places = [sql`1`, sql`2`, sql`3`, sql`4`, sql`5`, sql`6`, sql`7`, sql`8`, sql`9`] as const;

/** Names of a statement's columns. A dimension's key as tables have it, from 0 to 3. */
export const keyAt = (index: number): Sql => key(`key${index}` as Parameters<typeof key>[0]);
/** Its text as it is told. */
export const groupAt = (index: number): Sql => group(`group${index}` as Parameters<typeof group>[0]);
/** A measure's figure, from 0 to 7. */
export const valueAt = (index: number): Sql => value(`value${index}` as Parameters<typeof value>[0]);
/** A sum over rows of a table. */
export const partOfSum = (sum: Sum): Sql => part(`part_${sum}`);
/** A sum over all of a group's parts in a bucket. */
export const wholeOfSum = (sum: Sum): Sql => whole(`whole_${sum}`);

/** Element of a tuple, from 0 to 8. */
export function elementOf(tuple: Sql, index: number): Sql {
  const place = places[index];
  if (place === undefined) throw new RangeError(`tuples have ${places.length} elements at most`);
  return sql`tupleElement(${tuple}, ${place})`;
}
