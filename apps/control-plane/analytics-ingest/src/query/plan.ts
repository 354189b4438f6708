import type { Dimension } from "./dimensions.ts";
import type { Sum } from "./measures.ts";
import { type RollUp, rollUps } from "./tables.ts";
import type { TimeRange } from "./time-buckets.ts";

/** Where an answer comes from: single requests, or roll-ups for all but the ends of the time. */
export type Plan =
  | { readonly kind: "requests" }
  | {
      readonly kind: "roll-ups";
      /** One, or two which share out the sums between them. */
      readonly shares: readonly [RollUpShare, ...RollUpShare[]];
      /** Milliseconds; the time that the roll-ups answer for. Before and after it single requests do. */
      readonly from: number;
      readonly to: number;
    };

export interface RollUpShare {
  readonly rollUp: RollUp;
  readonly sums: ReadonlySet<Sum>;
}

export interface Needs {
  readonly dimensions: ReadonlySet<Dimension>;
  readonly sums: ReadonlySet<Sum>;
  readonly range: TimeRange;
  /** The time ends now: what roll-ups have so far of the time after it is meant too. */
  readonly reachesNow: boolean;
  /** Begins of buckets, if there are. */
  readonly begins: readonly number[];
}

/**
 * Roll-ups are taken where the answer is the same: they have every dimension, and each sum is in one of them; no bucket begins within
 * a row of them (days of +05:45 do not begin with an hour), and a whole row lies within the time, or begins in it where that ends
 * now: else whoever looks at the last hours would have the requests of the hour that is not over counted one by one.
 */
export function choosePlan({ dimensions, sums, range, reachesNow, begins }: Needs): Plan {
  const fitting = rollUps.filter((rollUp) => dimensions.isSubsetOf(rollUp.dimensions));
  for (const shares of sharesOf(fitting, sums)) {
    const grainMs = Math.max(...shares.map(({ rollUp }) => rollUp.grainMs)); // each is a multiple of the others
    const from = Math.ceil(range.from.getTime() / grainMs) * grainMs;
    const rows = range.to.getTime() / grainMs;
    const to = (reachesNow ? Math.ceil(rows) : Math.floor(rows)) * grainMs;
    if (from < to && begins.every((begin) => begin % grainMs === 0 || begin <= from || begin >= to)) {
      return { kind: "roll-ups", shares, from, to };
    }
  }
  return { kind: "requests" };
}

/** One that has all, or two of which the second has what the first has not. */
function* sharesOf(
  fitting: readonly RollUp[],
  sums: ReadonlySet<Sum>,
): Generator<readonly [RollUpShare, ...RollUpShare[]]> {
  const lacking = (rollUp: RollUp): ReadonlySet<Sum> =>
    new Set([...sums].filter((sum) => rollUp.sums[sum] === undefined));
  for (const rollUp of fitting) if (lacking(rollUp).size === 0) yield [{ rollUp, sums }];
  for (const rollUp of fitting) {
    const others = lacking(rollUp);
    const other = fitting.find((one) => others.isDisjointFrom(lacking(one)));
    if (other !== undefined && others.size > 0) {
      yield [
        { rollUp, sums: sums.difference(others) },
        { rollUp: other, sums: others },
      ];
    }
  }
}
