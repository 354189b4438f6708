import { expect, test } from "vitest";
import type { GateFacts } from "../gate/gate.ts";
import { GateBook } from "./gate-book.ts";

const deadlineMs = 2_000;
const app = { appId: "1", appName: "shop", environment: "production" };
const binding = { name: "orders", version: "v1", basePath: "/", resources: [] };
const deployment = {
  key: "one",
  revision: "1",
  replicaIds: [],
  runtimeVersion: "1.0.0",
  level: "flexible" as const,
  levelSource: "app",
  apis: [binding],
};

function bookAt(nowMs: number) {
  const book = new GateBook();
  const record = book.engage(app, deployment, binding, { now: new Date(0), nowMs });
  let clockMs = nowMs;
  const factsOf = (): GateFacts => ({
    level: "flexible",
    link: { state: "up", sinceMs: 0 },
    isConfirmed: false,
    desired: { known: "incomplete", missing: "entry", sinceMs: 0 },
    cached: { found: "none" },
    nowMs: clockMs,
    connectDeadlineMs: deadlineMs,
    blockOnEdit: "by_level",
  });
  const reviewAt = (ms: number): string => {
    clockMs = ms;
    book.review(record.key, factsOf, new Date(ms));
    return record.gate.gate.state;
  };
  const nextReviewAt = (ms: number): number | undefined => {
    clockMs = ms;
    return book.nextReviewMs(factsOf);
  };
  return { reviewAt, nextReviewAt };
}

test("a deadline that passes between a review and the question for the next one is not lost (GK 1)", () => {
  const { reviewAt, nextReviewAt } = bookAt(0);
  expect(reviewAt(deadlineMs - 1)).toBe("fetching");
  expect(nextReviewAt(deadlineMs + 1)).toBe(deadlineMs);
  expect(reviewAt(deadlineMs + 1)).toBe("offline");
  expect(nextReviewAt(deadlineMs + 2)).toBeUndefined();
});
