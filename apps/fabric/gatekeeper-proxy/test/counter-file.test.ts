import { mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { systemClock } from "@drawbridge/lifecycle";
import { openCounters } from "@drawbridge/policies";
import { createLogger } from "@drawbridge/telemetry";
import { afterEach, beforeEach, expect, test } from "vitest";
import { openCounterFile } from "../src/counters/counter-file.ts";

let directory = "";
const never = new AbortController().signal;

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "drawbridge-counters-"));
});
afterEach(() => rmSync(directory, { recursive: true, force: true }));

function open(entries = 1_024) {
  const logger = createLogger({ service: "gatekeeper-proxy", level: "silent", format: "json" });
  return openCounterFile({
    path: join(directory, "counters"),
    entries,
    gatewayId: "gateway-0",
    clock: systemClock,
    logger,
  });
}

/** Counts one request of a client in a window that lasts; what is counted then. */
function count(storage: SharedArrayBuffer): number {
  const nowMs = (): number => systemClock.now().getTime();
  return openCounters(storage, nowMs)
    .counter("quota")
    .take("client", 1, 100, nowMs() + 3_600_000).count;
}

async function runOnce(use: (storage: SharedArrayBuffer) => number): Promise<number> {
  const file = open();
  await file.start(never);
  const result = use(file.storage);
  await file.stop(never);
  return result;
}

test("a limit goes on counting after a restart where it stood", async () => {
  expect(await runOnce(count)).toBe(1);
  expect(await runOnce(count)).toBe(2);
  expect(await runOnce(count)).toBe(3);
});

test.each<[string, (path: string) => void]>([
  ["cut off", (path) => truncateSync(path, 1_000)],
  ["something else", (path) => writeFileSync(path, "not counters")],
  ["empty", (path) => truncateSync(path, 0)],
])("a file that is %s begins limits at nothing and is replaced", async (_damage, harm) => {
  await runOnce(count);
  harm(join(directory, "counters"));
  expect(await runOnce(count)).toBe(1);
  expect(await runOnce(count)).toBe(2);
});

test("another size of the table begins limits at nothing", async () => {
  await runOnce(count);
  expect(count(open(4_096).storage)).toBe(1);
});

test("names of clients are not in the file", async () => {
  await runOnce(count);
  expect(readFileSync(join(directory, "counters")).includes("client")).toBe(false);
});
