import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { systemClock } from "@drawbridge/lifecycle";
import { createTestLogger, tempDir } from "@drawbridge/testkit";
import { expect, test } from "vitest";
import { readLedgers } from "./read-ledgers.ts";

function aDay(
  folder: string,
  day: string,
  of: { writer: string; peer: string; messages: number; bytes: number },
): void {
  mkdirSync(folder, { recursive: true });
  const { writer, ...entry } = of;
  const at = `${day}T12:00:00.000Z`;
  const entries = [{ ...entry, messageType: "gateway.request-batch", firstAt: at, lastAt: at, shape: {} }];
  writeFileSync(join(folder, `${day}.${writer}.json`), JSON.stringify({ schemaVersion: 1, day, writer, entries }));
}

test("what all gateways sent is one entry a day beside what others sent, with all that a batch may hold (ANA 2, META 4)", async () => {
  await using folder = await tempDir();
  const directory = join(folder.path, "egress");
  const gateways = join(folder.path, "gateway");
  const peer = "analytics-ingest 10.0.0.9:7451";
  aDay(directory, "2026-11-22", { writer: "run", peer: "runtime-manager 10.0.0.5:7420", messages: 1, bytes: 2 });
  aDay(join(gateways, "egress"), "2026-11-22", { writer: "gateway", peer, messages: 3, bytes: 300 });
  aDay(join(gateways, "own", "gateway-1", "egress"), "2026-11-22", {
    writer: "gateway",
    peer,
    messages: 4,
    bytes: 400,
  });
  aDay(join(gateways, "own", "gateway-1", "egress"), "2026-11-20", { writer: "gateway", peer, messages: 9, bytes: 9 });
  const { logger } = createTestLogger();
  const entries = await readLedgers({ directory, gateways, oldestDay: "2026-11-21", clock: systemClock, logger });
  expect(entries.map(({ messages, bytes }) => [messages, bytes])).toEqual([
    [1, 2],
    [7, 700],
  ]);
  expect(entries[1]?.shape).toMatchObject({ clientAddress: "METRIC", "apis[].name": "METADATA" });
});
