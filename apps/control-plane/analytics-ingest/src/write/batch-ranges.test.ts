import fc from "fast-check";
import { expect, test } from "vitest";
import { BatchRanges } from "./batch-ranges.ts";

test("knows exactly what was added and not taken away, in whatever order", () => {
  const sequence = fc.bigInt({ min: 1n, max: 60n });
  const change = fc.oneof(
    fc.record({ kind: fc.constant("add" as const), first: sequence, length: fc.bigInt({ min: 0n, max: 9n }) }),
    fc.record({ kind: fc.constant("delete" as const), first: sequence, length: fc.constant(0n) }),
  );
  fc.assert(
    fc.property(fc.array(change, { maxLength: 60 }), (changes) => {
      const ranges = new BatchRanges();
      const expected = new Set<bigint>();
      for (const { kind, first, length } of changes) {
        if (kind === "delete") {
          ranges.delete(first);
          expected.delete(first);
        } else {
          ranges.add(first, first + length);
          for (let number = first; number <= first + length; number += 1n) expected.add(number);
        }
      }
      for (let number = 0n; number < 80n; number += 1n) expect(ranges.has(number)).toBe(expected.has(number));
    }),
  );
});

test("a numbering without holes is one range, and one that has a hole everywhere forgets none of its newest", () => {
  const whole = new BatchRanges();
  for (let number = 1n; number <= 10_000n; number += 1n) whole.add(number);
  expect(whole.count).toBe(1);
  const holes = new BatchRanges();
  for (let number = 2n; number <= 20_000n; number += 2n) holes.add(number);
  expect(holes.count).toBe(4_096);
  expect(holes.has(19_999n)).toBe(false);
  expect(holes.has(20_000n)).toBe(true);
  expect(holes.has(3n), "a hole that was given up counts as known").toBe(true);
});
