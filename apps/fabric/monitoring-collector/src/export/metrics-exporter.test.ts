import { DrawbridgeError, type ErrorKind } from "@drawbridge/errors";
import { createTestLogger, FakeClock } from "@drawbridge/testkit";
import { expect, onTestFinished, test } from "vitest";
import type { QueuedBatch } from "../queue/batch-queue.ts";
import { createMetricsExporter } from "./metrics-exporter.ts";

/** An exporter over batches in memory and a connection that answers as told; `undefined` takes a batch. */
async function startExporter(answers: (DrawbridgeError | undefined)[], batches = 2) {
  const clock = new FakeClock();
  const sent: number[] = [];
  const dropped: (readonly [string, number])[] = [];
  let waiting = Array.from({ length: batches }, (_, sequence): QueuedBatch => ({
    sequence,
    createdAtMs: 0,
    dataPoints: 10,
    content: Buffer.from([sequence]),
  }));
  const exporter = createMetricsExporter({
    queue: {
      first: () => Promise.resolve(waiting[0]),
      remove: (sequence) => {
        waiting = waiting.filter((batch) => batch.sequence !== sequence);
        return Promise.resolve();
      },
      whenFilled: (signal) => new Promise((resolve) => signal.addEventListener("abort", () => resolve())),
    },
    link: {
      connection: () => ({
        exportMetrics: (content) => {
          sent.push(content[0] ?? -1);
          const answer = answers.shift();
          return answer === undefined ? Promise.resolve(new Uint8Array()) : Promise.reject(answer);
        },
      }),
      whenConnected: () => Promise.resolve(),
      reconnect: () => undefined,
    },
    onResult: () => undefined,
    onDropped: (reason, dataPoints) => void dropped.push([reason, dataPoints]),
    clock,
    random: { next: () => 0.5 },
    logger: createTestLogger().logger,
  });
  await exporter.start(AbortSignal.timeout(1_000));
  onTestFinished(() => exporter.stop(AbortSignal.timeout(1_000)));
  return { clock, sent, dropped, exporter };
}

const refusal = (kind: ErrorKind, retryAfterMs?: number): DrawbridgeError =>
  new DrawbridgeError({ kind, code: "TEST", message: "no", ...(retryAfterMs === undefined ? {} : { retryAfterMs }) });

test("waits at least as long as Retry-After says, and some more of its own", async () => {
  const { clock, sent, exporter } = await startExporter([refusal("unavailable", 30_000)]);
  await clock.waitForSleep();
  expect(sent).toEqual([0]);
  expect(exporter.failure()).toBe("no");
  clock.advance(30_000);
  await Promise.resolve();
  expect(sent).toEqual([0]); // the jitter is on top
  clock.advance(1_000);
  await expect.poll(() => sent).toEqual([0, 0, 1]);
  expect(exporter.failure()).toBeUndefined();
});

test.each([
  "unavailable",
  "unauthenticated",
  "permission_denied",
  "not_found",
  "resource_exhausted",
  "internal",
] as const)("an answer of kind %s is about now or about who asks: the batch is kept", async (kind) => {
  const { clock, sent, dropped } = await startExporter([refusal(kind)], 1);
  await clock.waitForSleep();
  clock.advance(60_000);
  await expect.poll(() => sent).toEqual([0, 0]);
  expect(dropped).toEqual([]);
});

test("what will be refused whenever it comes is dropped and counted at once, and the next goes (MON)", async () => {
  const { sent, dropped, exporter } = await startExporter([refusal("invalid_argument")]);
  await expect.poll(() => sent).toEqual([0, 1]);
  expect(dropped).toEqual([["refused", 10]]);
  expect(exporter.failure()).toBeUndefined();
});
