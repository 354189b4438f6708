import { describe, expect, test } from "vitest";
import { isBeyond, mostNotable, nextStates, type Reading, type SeriesState } from "./next-state.ts";

const start = new Date("2026-01-01T00:00:00Z");
const after = (seconds: number): Date => new Date(start.getTime() + seconds * 1_000);
const bound = { above: 0.05, forSeconds: 60 };

/** Looks at a rule, one after the other; answers what each told. Silenced until the given second. */
const looks = (...at: readonly (readonly [number, readonly Reading[]])[]) => looksSilenced(0, ...at);
function looksSilenced(until: number, ...at: readonly (readonly [number, readonly Reading[]])[]) {
  let states: readonly SeriesState[] = [];
  let ids = 0;
  return at.map(([seconds, readings]) => {
    const changes = nextStates(bound, {
      states,
      readings,
      now: after(seconds),
      newId: () => `i-${(ids += 1)}`,
      isSilenced: () => seconds < until,
    });
    states = changes.flatMap((change) => change.after ?? []);
    return changes.flatMap(({ news, before, after: now }) =>
      news === undefined ? [] : [`${news} ${(now ?? before)?.series} ${(now ?? before)?.incidentId}`],
    );
  });
}

const bad = [{ series: "api=orders", value: 0.5 }];
const good = [{ series: "api=orders", value: 0.01 }];

test.each([
  [0.06, { above: 0.05 }, true],
  [0.05, { above: 0.05 }, false],
  [0.9, { below: 1 }, true],
  [1, { below: 1 }, false],
  [Number.NaN, { above: 0 }, false],
])("%d with %j: beyond is %s", (value, limits, expected) => {
  expect(isBeyond(value, { ...limits, forSeconds: 0 })).toBe(expected);
});

describe("a series", () => {
  test("is told when it was beyond its bound for as long as its rule says, and not before", () => {
    expect(looks([0, bad], [59, bad], [60, bad])).toEqual([[], [], ["firing api=orders i-1"]]);
  });

  test("is told once however often it is looked at, and once when it is over", () => {
    expect(looks([0, bad], [60, bad], [120, bad], [180, good], [240, good])).toEqual([
      [],
      ["firing api=orders i-1"],
      [],
      ["resolved api=orders i-1"],
      [],
    ]);
  });

  test("begins again when it was within its bound in between", () => {
    expect(looks([0, bad], [59, good], [60, bad], [119, bad], [120, bad])).toEqual([
      [],
      [],
      [],
      [],
      ["firing api=orders i-2"],
    ]);
  });

  test("is over when nothing is said of it any more", () => {
    expect(looks([0, bad], [60, bad], [120, []])).toEqual([[], ["firing api=orders i-1"], ["resolved api=orders i-1"]]);
  });

  test("has an incident of its own beside others", () => {
    const both = [...bad, { series: "api=bills", value: 1 }];
    expect(looks([0, bad], [30, both], [60, both], [90, both])).toEqual([
      [],
      [],
      ["firing api=orders i-1"],
      ["firing api=bills i-2"],
    ]);
  });

  test("that is silenced is told when the silence ends, if it still fires", () => {
    expect(looksSilenced(120, [0, bad], [60, bad], [119, bad], [120, bad], [180, good])).toEqual([
      [],
      [],
      [],
      ["firing api=orders i-1"],
      ["resolved api=orders i-1"],
    ]);
  });

  test("that was over before its silence was is told to nobody", () => {
    expect(looksSilenced(300, [0, bad], [60, bad], [120, good])).toEqual([[], [], []]);
  });
});

test.each([
  [{ above: 1 }, [5, 3, 2]],
  [{ below: 1 }, [2, 3, 5]],
])("with a bound of %j the most notable of some figures is first, and what is no figure is none", (limits, order) => {
  const readings = [3, Number.NaN, 5, 2].map((value) => ({ series: `s-${value}`, value }));
  expect(mostNotable(readings, { ...limits, forSeconds: 0 }).map(({ value }) => value)).toEqual(order);
});
