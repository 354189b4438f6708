import { DrawbridgeError, type ErrorKind } from "@drawbridge/errors";
import { expect, test } from "vitest";
import { judgeFailure, maxDeliveries } from "./verdict.ts";

const random = { next: () => 1 };
const errorOf = (kind: ErrorKind): DrawbridgeError => new DrawbridgeError({ kind, code: "CODE", message: "x" });

test.each<ErrorKind>(["unavailable", "deadline_exceeded", "aborted", "resource_exhausted", "cancelled"])(
  "delivers again for as long as it takes after %s",
  (kind) => {
    expect(judgeFailure(errorOf(kind), 10_000, random)).toMatchObject({ verdict: "again" });
  },
);

test.each<ErrorKind>(["invalid_argument", "data_loss", "out_of_range", "unimplemented"])(
  "buries at once after %s",
  (kind) => {
    expect(judgeFailure(errorOf(kind), 1, random)).toEqual({ verdict: "dead", reason: "CODE" });
  },
);

test.each<ErrorKind>(["internal", "not_found", "failed_precondition", "permission_denied"])(
  "gives an event some attempts after %s",
  (kind) => {
    expect(judgeFailure(errorOf(kind), maxDeliveries - 1, random)).toMatchObject({ verdict: "again" });
    expect(judgeFailure(errorOf(kind), maxDeliveries, random)).toEqual({ verdict: "dead", reason: "CODE" });
  },
);

test("takes a foreign error for an internal one", () => {
  expect(judgeFailure(new Error("boom"), maxDeliveries, random)).toEqual({ verdict: "dead", reason: "INTERNAL" });
});

test("waits longer with each delivery, up to a minute, and at least as long as it was asked to", () => {
  const delays = [1, 2, 3, 7, 20].map((deliveries) => judgeFailure(errorOf("unavailable"), deliveries, random));
  expect(delays.map((verdict) => verdict.verdict === "again" && verdict.delayMs)).toEqual([
    1_000, 2_000, 4_000, 60_000, 60_000,
  ]);
  const patient = new DrawbridgeError({ kind: "unavailable", code: "X", message: "x", retryAfterMs: 90_000 });
  expect(judgeFailure(patient, 1, random)).toEqual({ verdict: "again", delayMs: 90_000 });
});
