import { expect, test } from "vitest";
import { eventsFromFrame } from "./event-from-frame.ts";

test("a drain is followed within ten minutes, however long the server would wait", () => {
  const frame = { $case: "drain", value: { reconnectWithinMs: 2 ** 32 - 1, reason: "rebalance" } } as const;
  expect(eventsFromFrame(frame, "")).toEqual([{ event: "drain", withinMs: 600_000, reason: "rebalance" }]);
});
