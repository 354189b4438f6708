import { createTokenBucket } from "@drawbridge/rpc";
import { expect, test } from "vitest";
import { createAdmission } from "./admission.ts";

test("a bucket gives its burst at once and then its rate", () => {
  const bucket = createTokenBucket({ ratePerSecond: 2, burst: 3 });
  expect([0, 0, 0, 0].map((nowMs) => bucket.take(nowMs))).toEqual([true, true, true, false]);
  expect(bucket.waitMs(0)).toBe(500);
  expect(bucket.take(499)).toBe(false);
  expect(bucket.take(500)).toBe(true);
});

test("a bucket never holds more than its burst, and time that goes back gives nothing", () => {
  const bucket = createTokenBucket({ ratePerSecond: 10, burst: 2 });
  expect([1_000_000, 1_000_000, 1_000_000].map((nowMs) => bucket.take(nowMs))).toEqual([true, true, false]);
  expect(bucket.take(0)).toBe(false);
});

test("admission counts handshakes and connections until they end", () => {
  const admission = createAdmission({ handshakesPerSecond: 100, concurrentHandshakes: 2, connections: 3 });
  expect([0, 0, 0].map((nowMs) => admission.admit(nowMs))).toEqual(["admitted", "admitted", "concurrency"]);
  admission.handshakeEnded();
  expect(admission.admit(0)).toBe("admitted");
  admission.handshakeEnded();
  expect(admission.admit(0)).toBe("connections");
  admission.connectionEnded();
  expect(admission.admit(0)).toBe("admitted");
});
