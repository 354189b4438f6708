import { fork, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { connectBus, openQueueDeadLetters, openWorkQueue, type QueueEntry } from "@drawbridge/bus";
import { createTestLogger, startTestNats, tempDir } from "@drawbridge/testkit";
import { onTestFinished } from "vitest";
import type { BatchWriterProcessOptions, Totals } from "../fixtures/batch-writer.ts";

/** A queue of its own, a folder, and processes that write from one into the other. */
export interface WriterWorld {
  readonly dataDirectory: string;
  publish(entries: readonly QueueEntry[]): Promise<void>;
  /** Messages that nobody has acknowledged. */
  waiting(): Promise<number>;
  deadLetters(): Promise<number>;
  /** Resolves when it takes batches, or has died. */
  start(dieAt?: BatchWriterProcessOptions["dieAt"]): Promise<WriterProcess>;
}

export interface WriterProcess {
  readonly child: ChildProcess;
  totals(): Promise<Totals>;
  kill(): Promise<void>;
  readonly died: Promise<void>;
}

export async function writerWorld(): Promise<WriterWorld> {
  const nats = await startTestNats();
  onTestFinished(() => nats[Symbol.asyncDispose]());
  const folder = await tempDir();
  onTestFinished(() => folder[Symbol.asyncDispose]());
  const { logger } = createTestLogger();
  const bus = connectBus({ url: nats.url, credentials: nats.credentials, name: "test", logger });
  await bus.start(AbortSignal.timeout(240_000));
  onTestFinished(() => bus.stop(AbortSignal.timeout(5_000)));
  const queue = openWorkQueue(bus, "ANALYTICS");
  const letters = openQueueDeadLetters(bus, "ANALYTICS");
  return {
    dataDirectory: folder.path,
    publish: async (entries) => {
      for (const entry of entries) await queue.publish(entry);
    },
    waiting: async () => (await queue.usage()).messages,
    deadLetters: () => letters.count(),
    start: (dieAt) =>
      startWriter({
        natsUrl: nats.url,
        credentials: nats.credentials,
        dataDirectory: folder.path,
        ...(dieAt === undefined ? {} : { dieAt }),
      }),
  };
}

async function startWriter(options: BatchWriterProcessOptions): Promise<WriterProcess> {
  const child = fork(join(import.meta.dirname, "../fixtures/batch-writer.ts"), [JSON.stringify(options)], {
    execArgv: [],
  });
  const died = once(child, "exit").then(() => undefined);
  const kill = async (): Promise<void> => {
    child.kill("SIGKILL");
    await died;
  };
  onTestFinished(kill);
  await Promise.race([once(child, "message"), died]);
  return {
    child,
    died,
    kill,
    totals: async () => {
      child.send("totals");
      const [answer] = (await once(child, "message")) as [{ readonly totals: Totals }];
      return answer.totals;
    },
  };
}
