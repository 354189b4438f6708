import { expect, test } from "vitest";
import { createFabricSeries } from "./fabric-series.ts";

const replica = (name: string) => ({ environment: "production", app: "orders", replica: name });

test("a fabric may tell of so many replicas within an hour; one that was silent for an hour makes room", () => {
  let nowMs = 0;
  const series = createFabricSeries({ maxReplicas: 2, monotonicMs: () => nowMs });
  const admits = (name: string, fabric = "f-1") => series.admit(fabric, replica(name));
  expect(["r1", "r2", "r3", "r1"].map((name) => admits(name))).toEqual([true, true, false, true]);
  expect(admits("r3", "f-2")).toBe(true);
  nowMs = 1_800_000;
  admits("r2");
  nowMs = 3_600_000;
  expect([admits("r3"), admits("r4"), admits("r2")]).toEqual([true, false, true]);
});
