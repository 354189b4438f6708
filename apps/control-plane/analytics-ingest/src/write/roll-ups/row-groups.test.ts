import fc from "fast-check";
import { expect, test } from "vitest";
import { countsOf, firstRowsOf, largestOf, oneGroup, splitBy, sumsOf, weightsOf } from "./row-groups.ts";
import { latencyStepsOf, secondsOf, timesOf, widerTimes } from "./row-keys.ts";

const bigOf = (halves: Uint32Array): bigint[] =>
  Array.from(
    { length: halves.length / 2 },
    (_, at) => (BigInt(halves[2 * at + 1] ?? 0) << 32n) + BigInt(halves[2 * at] ?? 0),
  );
const uint32 = fc.integer({ min: 0, max: 2 ** 32 - 1 });
const rows = fc.array(
  fc.record({
    small: fc.integer({ min: 0, max: 3 }),
    large: fc.integer({ min: 0, max: 400_000 }),
    value: uint32,
    weight: fc.integer({ min: 1, max: 65_535 }),
  }),
  { maxLength: 60 },
);

test("rows of a group are those that are equal in all keys, and its sums those of a row at a time, in 64 bits (ANA 3)", () => {
  fc.assert(
    fc.property(rows, fc.boolean(), (told, isWeighted) => {
      const column = (of: (row: (typeof told)[number]) => number): Uint32Array => Uint32Array.from(told, of);
      const weights = weightsOf(Uint16Array.from(told, ({ weight }) => (isWeighted ? weight : 1)));
      const groups = splitBy(
        oneGroup(told.length),
        { ids: column(({ small }) => small), limit: 4 },
        { ids: column(({ large }) => large), limit: 400_001 },
      );
      const expected = [...Map.groupBy(told.keys(), (row) => `${told[row]?.small} ${told[row]?.large}`).values()];
      const sumOf = (of: readonly number[], value: (row: number) => bigint): bigint =>
        BigInt.asUintN(
          64,
          of.reduce((sum, row) => sum + value(row) * BigInt(weights.values[row] ?? 0), 0n),
        );
      expect(groups.count).toBe(expected.length);
      expect([...firstRowsOf(groups)]).toEqual(expected.map(([first]) => first));
      expect(bigOf(countsOf(groups, weights))).toEqual(expected.map((of) => sumOf(of, () => 1n)));
      const values = column(({ value }) => value);
      expect(bigOf(sumsOf(groups, weights, values))).toEqual(
        expected.map((of) => sumOf(of, (row) => BigInt(values[row] ?? 0))),
      );
      expect([...largestOf(groups, values)]).toEqual(
        expected.map((of) => Math.max(...of.map((row) => values[row] ?? 0))),
      );
    }),
  );
});

test("sums of the largest block there may be are exact", () => {
  const most = 255_000;
  const weights = weightsOf(new Uint16Array(most).fill(65_535));
  const values = new Uint32Array(most).fill(2 ** 32 - 1);
  expect(bigOf(countsOf(oneGroup(most), weights))).toEqual([65_535n * 255_000n]);
  const expected = BigInt.asUintN(64, (2n ** 32n - 1n) * 65_535n * 255_000n);
  expect(bigOf(sumsOf(oneGroup(most), weights, values))).toEqual([expected]);
});

test("wider steps of time begin where their own clock says (ANA 3)", () => {
  const at = ["10:44:59.999", "10:45:00", "11:00:00", "09:59:00"].map((time) => Date.parse(`2026-01-01T${time}Z`));
  const halves = Uint32Array.from(at.flatMap((ms) => [ms % 2 ** 32, Math.floor(ms / 2 ** 32)]));
  const quarters = timesOf(halves, 900_000);
  const begins = (times: typeof quarters): string[] =>
    [...secondsOf(times, Uint32Array.of(0, 1, 2, 3))].map((second) =>
      new Date(second * 1_000).toISOString().slice(11, 16),
    );
  expect(begins(quarters)).toEqual(["10:30", "10:45", "11:00", "09:45"]);
  expect(begins(widerTimes(quarters, 2))).toEqual(["10:30", "10:30", "11:00", "09:30"]);
  expect(begins(widerTimes(quarters, 4))).toEqual(["10:00", "10:00", "11:00", "09:00"]);
});

test("a step's middle is within 1.6 % of every latency in it, and steps are below their limit", () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 2 ** 32 - 1 }), (us) => {
      const { ids, limit } = latencyStepsOf(Uint32Array.of(us));
      const step = ids[0] ?? 0;
      const [middle = 0] = new Float32Array(Uint32Array.of(step * 2 ** 18 + 2 ** 17).buffer);
      expect(Math.abs(middle / us - 1)).toBeLessThan(0.016);
      expect(step).toBeLessThan(limit);
    }),
  );
});
