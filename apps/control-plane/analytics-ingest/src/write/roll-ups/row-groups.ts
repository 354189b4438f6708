// Numbers are in arrays of one kind throughout: loops that meet several kinds take three times as long.

/** Rows that are equal in what was looked at so far have the same number; numbers are 0 to `count` - 1. */
export interface RowGroups {
  readonly groups: Uint32Array<ArrayBuffer>;
  readonly count: number;
}

/** A value of each row, below `limit`. */
export interface RowKey {
  readonly ids: Uint32Array;
  readonly limit: number;
}

const twoTo32 = 4_294_967_296;
/** Numbers of a table that says of each pair which group it is; larger ones miss the processor's cache and are searched by hash. */
const largestTable = 262_144;

export function oneGroup(rows: number): RowGroups {
  return { groups: new Uint32Array(rows), count: Math.min(rows, 1) };
}

/** Groups as a key of others. */
export function keyOf({ groups, count }: RowGroups): RowKey {
  return { ids: groups, limit: count };
}

/** The groups that are left when rows must be equal in these keys too. */
export function splitBy(groups: RowGroups, ...keys: readonly RowKey[]): RowGroups {
  return keys.reduce((of, key) => (key.limit <= 1 ? of : split(of, key)), groups);
}

function split(of: RowGroups, key: RowKey): RowGroups {
  return of.count * key.limit <= largestTable ? splitByTable(of, key) : splitByHash(of, key);
}

function splitByTable({ groups, count }: RowGroups, { ids, limit }: RowKey): RowGroups {
  /** One more than the group, so that zero is "none yet". */
  const table = new Uint32Array(count * limit);
  const split = new Uint32Array(groups.length);
  let found = 0;
  for (let row = 0; row < split.length; row += 1) {
    const at = (groups[row] ?? 0) * limit + (ids[row] ?? 0);
    let group = table[at] ?? 0;
    if (group === 0) {
      found += 1;
      group = found;
      table[at] = group;
    }
    split[row] = group - 1;
  }
  return { groups: split, count: found };
}

/** Open addressing; a place of the table holds one more than the group, whose first row says what it is of. */
function splitByHash({ groups }: RowGroups, { ids }: RowKey): RowGroups {
  const places = 2 ** Math.ceil(Math.log2(groups.length * 2));
  const mask = places - 1;
  const table = new Uint32Array(places);
  const firstRows = new Uint32Array(groups.length);
  const split = new Uint32Array(groups.length);
  let found = 0;
  for (let row = 0; row < split.length; row += 1) {
    const group = groups[row] ?? 0;
    const id = ids[row] ?? 0;
    let place = mixed(group, id) & mask;
    for (;;) {
      const taken = table[place] ?? 0;
      if (taken === 0) {
        firstRows[found] = row;
        found += 1;
        table[place] = found;
        split[row] = found - 1;
        break;
      }
      const first = firstRows[taken - 1] ?? 0;
      if (groups[first] === group && ids[first] === id) {
        split[row] = taken - 1;
        break;
      }
      place = (place + 1) & mask;
    }
  }
  return { groups: split, count: found };
}

function mixed(group: number, id: number): number {
  const once = Math.imul(group, 0x9e37_79b1) ^ Math.imul(id, 0x85eb_ca77);
  return once ^ (once >>> 15);
}

/** The first row of each group. */
export function firstRowsOf({ groups, count }: RowGroups): Uint32Array<ArrayBuffer> {
  const rows = new Uint32Array(count);
  for (let row = groups.length - 1; row >= 0; row -= 1) rows[groups[row] ?? 0] = row;
  return rows;
}

/** How often each row counts. */
export interface RowWeights {
  readonly values: Uint32Array;
  /** Nobody counts twice: nothing is to be multiplied. */
  readonly areOne: boolean;
}

export function weightsOf(weights: Uint16Array): RowWeights {
  return { values: new Uint32Array(weights), areOne: weights.every((weight) => weight === 1) };
}

/** How many requests each group has, as halves of 64-bit numbers: the low one, the high one, and so on. */
export function countsOf(of: RowGroups, { values }: RowWeights): Uint32Array<ArrayBuffer> {
  return sumsOf(of, { values, areOne: true }, values);
}

/**
 * The sum of each group, each row as often as its weight says, as halves of 64-bit numbers. Exact, and beyond 64 bits what is left of
 * the number, as the store's own sums.
 */
export function sumsOf(
  { groups, count }: RowGroups,
  { values: weights, areOne }: RowWeights,
  values: Uint32Array,
): Uint32Array<ArrayBuffer> {
  // Products have 48 bits at most, so the sums of their halves are exact for two million rows.
  const low = new Float64Array(count);
  const high = new Float64Array(count);
  if (areOne) addUp(groups, values, low);
  else addUpWeighted(groups, { values, weights }, { low, high });
  const halves = new Uint32Array(count * 2);
  for (let group = 0; group < count; group += 1) {
    const sum = low[group] ?? 0;
    halves[2 * group] = sum;
    const carried = sum < twoTo32 ? 0 : Math.floor(sum / twoTo32);
    halves[2 * group + 1] = (high[group] ?? 0) + carried;
  }
  return halves;
}

function addUp(groups: Uint32Array, values: Uint32Array, sums: Float64Array): void {
  for (let row = 0; row < groups.length; row += 1) {
    const group = groups[row] ?? 0;
    sums[group] = (sums[group] ?? 0) + (values[row] ?? 0);
  }
}

function addUpWeighted(
  groups: Uint32Array,
  { values, weights }: { readonly values: Uint32Array; readonly weights: Uint32Array },
  { low, high }: { readonly low: Float64Array; readonly high: Float64Array },
): void {
  for (let row = 0; row < groups.length; row += 1) {
    const group = groups[row] ?? 0;
    const product = (values[row] ?? 0) * (weights[row] ?? 0);
    low[group] = (low[group] ?? 0) + (product >>> 0);
    if (product >= twoTo32) high[group] = (high[group] ?? 0) + Math.floor(product / twoTo32);
  }
}

/** The largest value of each group. */
export function largestOf({ groups, count }: RowGroups, values: Uint32Array): Uint32Array<ArrayBuffer> {
  const largest = new Uint32Array(count);
  for (let row = 0; row < groups.length; row += 1) {
    const group = groups[row] ?? 0;
    const value = values[row] ?? 0;
    if (value > (largest[group] ?? 0)) largest[group] = value;
  }
  return largest;
}
