import { spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { expect, onTestFinished, test } from "vitest";

const program = fileURLToPath(new URL("run-program.ts", import.meta.url));

interface Run {
  readonly lines: readonly string[];
  readonly exitCode: number | null;
}

/** Run the program in a process of its own; send `signals` one by one as soon as it has said `at`. */
async function run(behaviour: string, at: string, signals: readonly NodeJS.Signals[]): Promise<Run> {
  const child = spawn(process.execPath, [program, behaviour], { stdio: ["ignore", "pipe", "inherit"] });
  onTestFinished(() => void child.kill("SIGKILL"));
  const lines: string[] = [];
  const output = createInterface(child.stdout);
  const remaining = [...signals];
  output.on("line", (line) => {
    lines.push(line);
    if (line !== at && !(remaining.length < signals.length && line === "stopping")) return;
    const next = remaining.shift();
    if (next) child.kill(next);
  });
  const [exitCode] = (await once(child, "close")) as [number | null];
  return { lines, exitCode };
}

test.each(["SIGTERM", "SIGINT"] as const)("%s stops the components in reverse order and exits 0", async (signal) => {
  const { lines, exitCode } = await run("orderly", "started", [signal]);
  expect(lines).toEqual([
    "start store",
    "start server",
    "start outbox",
    "started",
    "stopping",
    "stop outbox",
    "stop server",
    "stop store",
    "stopped",
  ]);
  expect(exitCode).toBe(0);
});

test("a component that cannot start stops those before it, and the process exits 1", async () => {
  const { lines, exitCode } = await run("fails to start", "", []);
  expect(lines).toEqual(["start store", "stop store", "start failed"]);
  expect(exitCode).toBe(1);
});

test("a signal while a component waits for what it needs ends the start, and the process exits 0", async () => {
  const { lines, exitCode } = await run("waits at start", "waiting", ["SIGTERM"]);
  expect(lines).toEqual(["start store", "waiting", "stopping", "stop store"]);
  expect(exitCode).toBe(0);
});

test("a component that hangs is named, the others are stopped, and the process exits 1", async () => {
  const { lines, exitCode } = await run("hangs", "started", ["SIGTERM"]);
  expect(lines.slice(4)).toEqual(["stopping", "stop outbox", "component did not stop: server", "stop store"]);
  expect(exitCode).toBe(1);
});

test("a second signal exits at once", async () => {
  const { lines, exitCode } = await run("hangs", "started", ["SIGTERM", "SIGTERM"]);
  expect(lines.filter((line) => line.startsWith("component did not stop"))).toEqual([]);
  expect(exitCode).toBe(1);
});

test("a promise that nobody awaits and that rejects ends the process", async () => {
  const { lines, exitCode } = await run("throws unhandled", "", []);
  expect(lines).toContain("unhandled error, exiting");
  expect(exitCode).toBe(1);
});

test("ends in order, with the exit code asked for, when something within asks for it", async () => {
  const { lines, exitCode } = await run("asks for its end", "started", []);
  expect(lines.slice(-4)).toEqual(["stop outbox", "stop server", "stop store", "stopped"]);
  expect(exitCode).toBe(6);
});
