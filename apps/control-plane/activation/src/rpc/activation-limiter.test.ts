import { DrawbridgeError } from "@drawbridge/errors";
import { expect, test } from "vitest";
import { createActivationLimiter, type ActivationLimits } from "./activation-limiter.ts";

const defaults: ActivationLimits = { perAddressPerSecond: 1, perAddressBurst: 5, globalPerSecond: 20 };

function aLimiter(limits: Partial<ActivationLimits> = {}) {
  let nowMs = 0;
  const limiter = createActivationLimiter({ ...defaults, ...limits }, { monotonicMs: () => nowMs });
  return {
    at: (ms: number): void => {
      nowMs = ms;
    },
    /** The retry delay, or undefined if admitted. */
    ask: (address: string): number | undefined => {
      try {
        limiter.admit(address);
        return undefined;
      } catch (error) {
        if (error instanceof DrawbridgeError && error.code === "ACTIVATION_RATE_LIMITED") return error.retryAfterMs;
        throw error;
      }
    },
  };
}

const times = (count: number): readonly number[] => Array.from({ length: count }, (_, index) => index);

test("one address gets five at once and then one a second (R14)", () => {
  const { ask, at } = aLimiter();
  expect(times(5).map(() => ask("192.0.2.1"))).toEqual(times(5).map(() => undefined));
  expect(ask("192.0.2.1")).toBe(1_000);
  at(1_000);
  expect(ask("192.0.2.1")).toBeUndefined();
  expect(ask("192.0.2.1")).toBe(1_000);
});

test("an address that asks too often takes nothing from the others", () => {
  const { ask } = aLimiter();
  for (let index = 0; index < 100; index += 1) ask("192.0.2.1");
  expect(times(15).map((index) => ask(`198.51.100.${index}`))).toEqual(times(15).map(() => undefined));
});

test("all addresses together get twenty a second (R14)", () => {
  const { ask } = aLimiter();
  expect(times(20).map((index) => ask(`198.51.100.${index}`))).toEqual(times(20).map(() => undefined));
  expect(ask("203.0.113.1")).toBeGreaterThan(0);
});

test.each([
  { what: "addresses of one IPv6 network", same: ["2001:db8:1:2::1", "2001:db8:1:2:ffff:0:0:9"] },
  { what: "an IPv4 address and its mapped form", same: ["192.0.2.7", "::ffff:192.0.2.7"] },
])("$what count as one", ({ same: [first = "", second = ""] }) => {
  const { ask } = aLimiter({ perAddressBurst: 1 });
  expect(ask(first)).toBeUndefined();
  expect(ask(second)).toBeGreaterThan(0);
});

test("different IPv6 networks count apart", () => {
  const { ask } = aLimiter({ perAddressBurst: 1 });
  expect(ask("2001:db8:1:2::1")).toBeUndefined();
  expect(ask("2001:db8:1:3::1")).toBeUndefined();
});
