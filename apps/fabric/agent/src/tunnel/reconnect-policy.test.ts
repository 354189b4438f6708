import { expect, test } from "vitest";
import { decideReconnect, initialReconnectState } from "./reconnect-policy.ts";

const highest = { next: () => 0.999_999 };
const lowest = { next: () => 0 };

test("waits a random part of the server's window after a loss, at least 250 ms (R13)", () => {
  const loss = { cause: "lost", livedMs: 120_000, reconnectWindowMs: 30_000 } as const;
  expect(decideReconnect(initialReconnectState, loss, highest).delayMs).toBeCloseTo(30_000, -2);
  expect(decideReconnect(initialReconnectState, loss, lowest).delayMs).toBe(250);
});

test("backs off from 1 s to 60 s with full jitter, and never gives up", () => {
  let state = initialReconnectState;
  const ceilings: number[] = [];
  for (let attempt = 0; attempt < 40; attempt += 1) {
    expect(decideReconnect(state, { cause: "failed" }, lowest).delayMs).toBe(250);
    const decision = decideReconnect(state, { cause: "failed" }, highest);
    ceilings.push(Math.round(decision.delayMs / 1_000));
    state = decision.state;
  }
  expect(ceilings.slice(0, 8)).toEqual([1, 2, 4, 8, 16, 32, 60, 60]);
  expect(ceilings.at(-1)).toBe(60);
});

test("backs off to twice the window that the server sized, so that nobody waits long for a server that is back", () => {
  const ceiling = (reconnectWindowMs: number): number => {
    let { state } = decideReconnect(
      initialReconnectState,
      { cause: "lost", livedMs: 120_000, reconnectWindowMs },
      highest,
    );
    let delayMs = 0;
    for (let attempt = 0; attempt < 10; attempt += 1) {
      const decision = decideReconnect(state, { cause: "failed" }, highest);
      ({ state, delayMs } = decision);
    }
    return Math.round(delayMs / 1_000);
  };
  expect([0, 2_000, 20_000, 120_000].map(ceiling)).toEqual([5, 5, 40, 60]);
});

test("believes a server that says when to come back, and spreads those who were told the same", () => {
  const told = { cause: "failed", retryAfterMs: 5_000 } as const;
  expect(decideReconnect({ failures: 3 }, told, lowest).delayMs).toBe(5_250);
  expect(decideReconnect({ failures: 3 }, told, highest).delayMs).toBeGreaterThan(12_000);
});

test("does not wait for ever because a server says so", () => {
  const told = { cause: "failed", retryAfterMs: 2 ** 40 } as const;
  expect(decideReconnect(initialReconnectState, told, lowest).delayMs).toBe(600_250);
});

test("forgets failures only after a session that was healthy for a minute", () => {
  const lost = (livedMs: number) =>
    decideReconnect({ failures: 6 }, { cause: "lost", livedMs, reconnectWindowMs: 0 }, highest);
  expect(lost(60_000).state.failures).toBe(0);
  expect(lost(59_999).state.failures).toBe(7);
  expect(lost(59_999).delayMs).toBeGreaterThan(4_000);
});

test("rebuilds the TLS context after every fifth failure, and before it asks again after a refusal", () => {
  const due = (failures: number): boolean => decideReconnect({ failures }, { cause: "failed" }, lowest).isRebuildDue;
  expect([3, 4, 5, 9].map(due)).toEqual([false, true, false, true]);
  const refused = decideReconnect(initialReconnectState, { cause: "refused" }, lowest);
  expect(refused).toMatchObject({ isRebuildDue: true, delayMs: 60_000 });
});
