import { expect, test } from "vitest";
import { IdleLimit } from "./idle-limit.ts";

interface Client {
  bytesRead: number;
  writableLength: number;
  isIdle: boolean;
  isOpen: boolean;
}

/** Looks once a second from 1 s on; `each` changes the client before a look. */
function watch(seconds: number, each: (client: Client, second: number) => void): number | undefined {
  const limit = new IdleLimit(4_000);
  const client: Client = { bytesRead: 10, writableLength: 0, isIdle: true, isOpen: true };
  const socket = Object.assign(client, { destroy: () => (client.isOpen = false) });
  limit.watch(socket, client);
  for (let second = 1; second <= seconds; second += 1) {
    each(client, second);
    limit.tick(second * 1_000);
    if (!client.isOpen) return second;
  }
  return undefined;
}

test("a connection ends when nothing came for as long as clients are told, and a second more", () => {
  expect(watch(20, () => undefined)).toBe(6);
});

test("each byte begins the time anew, also one of a head that is not complete", () => {
  expect(watch(20, (client, second) => (client.bytesRead += second <= 9 && second % 3 === 0 ? 1 : 0))).toBe(14);
});

test("a connection stays while a request is under way, and is idle only behind it", () => {
  expect(watch(20, (client, second) => (client.isIdle = second > 10))).toBe(16);
});

test("a connection stays while an answer is on its way", () => {
  expect(watch(20, (client, second) => (client.writableLength = second > 10 ? 0 : 1))).toBe(16);
});
