import { describe, expect, test } from "vitest";
import { LoginThrottle, type ThrottlePolicy, throttleDelayMs } from "./login-throttle.ts";

const policy: ThrottlePolicy = { freeAttempts: 3, baseMs: 1_000, capMs: 60_000, forgetAfterMs: 600_000, maxKeys: 4 };

function fail(throttle: LoginThrottle, key: string, times: number, nowMs: number): void {
  for (let index = 0; index < times; index += 1) throttle.begin(key, nowMs);
}

describe("login throttling", () => {
  test("the delay doubles after the free attempts and stops at the cap", () => {
    expect([1, 2, 3, 4, 5, 8, 9, 100].map((failures) => throttleDelayMs(policy, failures))).toEqual([
      0, 0, 1_000, 2_000, 4_000, 32_000, 60_000, 60_000,
    ]);
  });

  test("refuses further attempts until the delay is over", () => {
    const throttle = new LoginThrottle(policy);
    fail(throttle, "alice", 3, 0);
    expect(throttle.begin("alice", 999)).toBe(1);
    expect(throttle.begin("alice", 1_000)).toBe(0);
    expect(throttle.begin("alice", 1_001)).toBe(1_999);
  });

  test("counts an attempt before its outcome is known, so that attempts at once gain nothing", () => {
    const throttle = new LoginThrottle(policy);
    const waits = Array.from({ length: 10 }, () => throttle.begin("alice", 0));
    expect(waits.filter((wait) => wait === 0)).toHaveLength(3);
  });

  test("a refused attempt does not make the delay longer", () => {
    const throttle = new LoginThrottle(policy);
    fail(throttle, "alice", 50, 0);
    expect(throttle.begin("alice", 1_000)).toBe(0);
  });

  test("success forgives the user and takes back one attempt of the address", () => {
    const throttle = new LoginThrottle(policy);
    fail(throttle, "alice", 2, 0);
    throttle.forgive("alice");
    fail(throttle, "alice", 2, 0);
    throttle.begin("10.0.0.1", 0);
    throttle.begin("10.0.0.1", 0);
    throttle.undo("10.0.0.1");
    expect(throttle.begin("alice", 0)).toBe(0);
    expect(throttle.begin("10.0.0.1", 0)).toBe(0);
    expect(throttle.begin("10.0.0.1", 0)).toBe(0);
    expect(throttle.begin("10.0.0.1", 0)).toBe(1_000);
  });

  test("forgets after a long pause", () => {
    const throttle = new LoginThrottle(policy);
    fail(throttle, "alice", 3, 0);
    expect(throttle.begin("alice", 600_000)).toBe(0);
    expect(throttle.begin("alice", 600_000)).toBe(0);
  });

  test("remembers a bounded number of keys and drops the one untouched for longest", () => {
    const throttle = new LoginThrottle(policy);
    fail(throttle, "kept", 3, 0);
    fail(throttle, "dropped", 3, 0);
    throttle.begin("kept", 1_000); // touched again: now blocked for 2 s
    for (const key of ["a", "b", "c"]) throttle.begin(key, 1_000);
    expect(throttle.size).toBe(policy.maxKeys);
    expect(throttle.begin("kept", 1_001)).toBe(1_999);
    expect(throttle.begin("dropped", 999)).toBe(0); // it would be blocked until 1,000
  });
});
