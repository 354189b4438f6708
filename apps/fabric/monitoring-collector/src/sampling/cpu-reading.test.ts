import { expect, test } from "vitest";
import { cpuSince, type CpuReading } from "./cpu-reading.ts";

/** Own and waited-for milliseconds by process. */
const processes = (of: Record<string, readonly [number, number]>): CpuReading => ({
  kind: "processes",
  processes: Object.fromEntries(Object.entries(of).map(([key, [ownMs, waitedMs]]) => [key, { ownMs, waitedMs }])),
});
const cgroup = (usedMs: number): CpuReading => ({ kind: "cgroup", usedMs });

test.each([
  ["a process that goes on", { a: [100, 0] }, { a: [150, 0] }, 50],
  ["a new child", { a: [100, 0] }, { a: [100, 0], b: [30, 0] }, 30],
  ["a child that ended and was waited for", { a: [100, 0], b: [30, 0] }, { a: [100, 45] }, 15],
  ["a child that came and went in between", { a: [100, 0] }, { a: [100, 20] }, 20],
  ["a child that nobody waited for", { a: [100, 0], b: [30, 0] }, { a: [110, 0] }, 10],
  ["a child with children of its own that ended", { a: [0, 0], b: [10, 5] }, { a: [0, 40] }, 25],
  ["the app started again under its shim", { shim: [0, 0], a: [500, 0] }, { shim: [0, 520], b: [7, 0] }, 27],
  ["everything gone", { a: [100, 0] }, {}, 0],
  ["a pid that is another process now", { "7:1": [900, 0] }, { "7:2": [4, 0] }, 4],
] as const)("of %s counts what was used since (MON)", (_, before, now, usedMs) => {
  expect(cpuSince(processes(before), processes(now))).toBe(usedMs);
});

test("a cgroup that was made anew began at nothing: no rate is negative (MON)", () => {
  expect(cpuSince(cgroup(100), cgroup(130))).toBe(30);
  expect(cpuSince(cgroup(100), cgroup(20))).toBe(20);
});

test("does not compare a cgroup with processes", () => {
  expect(cpuSince(processes({ a: [1, 0] }), cgroup(20))).toBeUndefined();
  expect(cpuSince(cgroup(20), processes({ a: [1, 0] }))).toBeUndefined();
});
