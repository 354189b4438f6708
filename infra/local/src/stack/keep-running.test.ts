import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test, vi } from "vitest";
import { createManagedProcess } from "../backing/managed-process.ts";
import { keepRunning } from "./keep-running.ts";

test("a process that is killed is started again, and left alone once the watch has stopped", async () => {
  const folder = await mkdtemp(join(tmpdir(), "drawbridge-keep-"));
  const managed = createManagedProcess({
    name: "example",
    logFile: join(folder, "log"),
    plan: async () => ({ command: process.execPath, args: ["-e", "setInterval(() => undefined, 1000)"] }),
    isReady: async () => true,
    stopSignal: "SIGTERM",
  });
  await managed.start();
  const said: string[] = [];
  const watch = keepRunning([managed], { warn: (message) => said.push(message) });
  try {
    const first = managed.pid;
    process.kill(first ?? 0, "SIGKILL");
    await vi.waitFor(() =>
      expect(said).toEqual(["example ended with SIGKILL; starting it again", "example runs again"]),
    );
    expect(managed.pid).not.toBe(first);
    await watch.stop();
    await managed.kill();
    expect(managed.pid).toBeUndefined();
    expect(said).toHaveLength(2);
  } finally {
    await watch.stop();
    await managed.kill();
    await rm(folder, { recursive: true, force: true });
  }
});
