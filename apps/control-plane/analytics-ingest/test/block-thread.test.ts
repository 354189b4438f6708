import { readdir } from "node:fs/promises";
import { getPriority } from "node:os";
import { createTestLogger } from "@drawbridge/testkit";
import { expect, test } from "vitest";
import { startBlockThread } from "../src/write/start-block-thread.ts";

const priorities = async (): Promise<readonly number[]> =>
  (await readdir("/proc/self/task")).map((thread) => getPriority(Number(thread)));

test("the thread that makes blocks goes behind the one that receives, which keeps its priority (ANA 1)", async () => {
  const before = getPriority();
  const behind = (all: readonly number[]): number => all.filter((priority) => priority === before + 5).length;
  const others = behind(await priorities());
  const { logger } = createTestLogger();
  const thread = await startBlockThread({ placeFile: undefined }, { logger, signal: AbortSignal.timeout(60_000) });
  expect(behind(await priorities())).toBeGreaterThan(others);
  expect(getPriority()).toBe(before);
  await thread.close();
});
