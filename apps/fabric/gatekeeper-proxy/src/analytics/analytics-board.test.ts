import { expect, test } from "vitest";
import { AnalyticsBoard, addressKeyBytes } from "./analytics-board.ts";

const noon = Date.UTC(2026, 10, 22, 12);
const hours = (count: number): number => count * 3_600_000;

function keyAt(board: AnalyticsBoard, nowMs: number): string {
  const key = new Uint8Array(addressKeyBytes);
  board.readKey(nowMs, key);
  return Buffer.from(key).toString("hex");
}

test("the key of hashed addresses is another one every UTC day, there at midnight, the same for all threads (ANA 2)", () => {
  const board = new AnalyticsBoard();
  board.renewKeys(noon);
  const other = new AnalyticsBoard(board.memory);
  const today = keyAt(board, noon);
  const tomorrow = keyAt(board, noon + hours(12));
  expect(new Set([today, tomorrow, "00".repeat(addressKeyBytes)]).size).toBe(3);
  expect(keyAt(board, noon + hours(12) - 1)).toBe(today);
  expect(keyAt(other, noon)).toBe(today);
});

test("the key of a day that is over is gone, those of the day and the next one stay", () => {
  const board = new AnalyticsBoard();
  board.renewKeys(noon);
  const first = keyAt(board, noon);
  const second = keyAt(board, noon + hours(24));
  board.renewKeys(noon + hours(12));
  expect(keyAt(board, noon)).toBe(first); // a thread may still be at it
  board.renewKeys(noon + hours(13));
  expect(keyAt(board, noon + hours(24))).toBe(second);
  expect(keyAt(board, noon)).not.toBe(first);
});

test("no two gateways have the same key", () => {
  const keys = [new AnalyticsBoard(), new AnalyticsBoard()].map((board) => {
    board.renewKeys(noon);
    return keyAt(board, noon);
  });
  expect(new Set(keys).size).toBe(2);
});

test("threads collect for a second at least and a minute at most, whatever a reply asks for", () => {
  const board = new AnalyticsBoard();
  expect(board.flushEveryMs).toBe(1_000);
  board.flushEveryMs = 5_000;
  expect(board.flushEveryMs).toBe(5_000);
  board.flushEveryMs = 1e12;
  expect(board.flushEveryMs).toBe(60_000);
  board.flushEveryMs = 0;
  expect(board.flushEveryMs).toBe(1_000);
});
