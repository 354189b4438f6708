import { setImmediate as turnOfTheLoop } from "node:timers/promises";
import { createTokenBucket } from "@drawbridge/rpc";
import { FakeClock } from "@drawbridge/testkit";
import { expect, test } from "vitest";
import { createAdmission, type Admission } from "./admission.ts";

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

/** Arrivals by name, and what became of each. */
function arrivals(admission: Admission) {
  const outcomes: string[] = [];
  return {
    outcomes,
    come: (name: string) =>
      admission.arrive({
        begin: () => outcomes.push(`${name} begins`),
        refuse: (reason) => outcomes.push(`${name} ${reason}`),
      }),
  };
}

test("admission counts handshakes and connections until they end (R14)", () => {
  const limits = { handshakesPerSecond: 100, concurrentHandshakes: 2, connections: 3 };
  const admission = createAdmission(limits, new FakeClock());
  const { outcomes, come } = arrivals(admission);
  for (const name of ["a", "b", "c"]) come(name);
  admission.handshakeEnded();
  come("d");
  admission.handshakeEnded();
  come("e");
  admission.connectionEnded();
  come("f");
  expect(outcomes).toEqual(["a begins", "b begins", "c concurrency", "d begins", "e connections", "f begins"]);
});

test("whoever may wait begins in order of arrival when a handshake ends (R14)", () => {
  const admission = createAdmission({ concurrentHandshakes: 1, waiting: 2 }, new FakeClock());
  const { outcomes, come } = arrivals(admission);
  for (const name of ["a", "b", "c", "d"]) come(name);
  expect(outcomes).toEqual(["a begins", "d rate"]);
  admission.handshakeEnded();
  admission.handshakeEnded();
  expect(outcomes).toEqual(["a begins", "d rate", "b begins", "c begins"]);
});

test("whoever waits for the rate begins when it allows it (R14)", async () => {
  const clock = new FakeClock();
  const { outcomes, come } = arrivals(createAdmission({ handshakesPerSecond: 1, waiting: 2 }, clock));
  for (const name of ["a", "b", "c"]) come(name);
  expect(outcomes).toEqual(["a begins"]);
  clock.advance(1_000);
  await turnOfTheLoop();
  expect(outcomes).toEqual(["a begins", "b begins"]);
  clock.advance(1_000);
  await turnOfTheLoop();
  expect(outcomes).toEqual(["a begins", "b begins", "c begins"]);
});

test("whoever waited for too long is refused, because it has hung up (R14)", () => {
  const clock = new FakeClock();
  const admission = createAdmission({ concurrentHandshakes: 1, waiting: 2 }, clock);
  const { outcomes, come } = arrivals(admission);
  come("a");
  come("b");
  clock.advance(10_001);
  come("c");
  admission.handshakeEnded();
  expect(outcomes).toEqual(["a begins", "b waited", "c begins"]);
});
