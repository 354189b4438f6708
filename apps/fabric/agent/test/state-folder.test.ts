import { spawn } from "node:child_process";
import { once } from "node:events";
import { readdir, readFile, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { createTestLogger, FakeClock, tempDir } from "@drawbridge/testkit";
import { expect, test } from "vitest";
import { z } from "zod";
import { createEgressLedger } from "../src/egress/egress-ledger.ts";
import { writeFileAtomic } from "../src/state/atomic-file.ts";
import { createJsonFile } from "../src/state/json-file.ts";
import { acquireLock, lockHolder } from "../src/state/run-lock.ts";

const schema = z.object({ schemaVersion: z.literal(1), value: z.string() });
const now = new Date("2026-06-01T12:00:00Z");

test("writes files that are private, in folders that are private, and leaves nothing else behind (R19)", async () => {
  await using folder = await tempDir();
  const path = join(folder.path, "deep", "file.json");
  await writeFileAtomic(path, "one");
  await writeFileAtomic(path, "two");
  expect(await readFile(path, "utf8")).toBe("two");
  expect((await stat(path)).mode & 0o777).toBe(0o600);
  expect((await stat(join(folder.path, "deep"))).mode & 0o777).toBe(0o700);
  expect(await readdir(join(folder.path, "deep"))).toEqual(["file.json"]);
});

test.for([
  ["that is not JSON", "{", "not JSON"],
  ["of a later agent", '{"schemaVersion":2,"value":"x"}', "schemaVersion"],
  ["with a field missing", '{"schemaVersion":1}', "value"],
] as const)("moves a file %s aside, says why, and goes on without it", async ([, text, reason]) => {
  await using folder = await tempDir();
  const path = join(folder.path, "state.json");
  await writeFile(path, text);
  const log = createTestLogger();
  const file = createJsonFile({ path, schema, clock: new FakeClock(now), logger: log.logger });
  expect(await file.read()).toBeUndefined();
  expect(await file.read()).toBeUndefined();
  expect(await readdir(folder.path)).toEqual(["state.json.corrupt-2026-06-01T12-00-00-000Z"]);
  expect(log.withMessage("unusable state file moved aside")).toMatchObject([
    { level: "error", reason: expect.stringContaining(reason) },
  ]);
  await file.write({ schemaVersion: 1, value: "anew" });
  expect(await file.read()).toMatchObject({ value: "anew" });
});

test("a lock is refused to a second holder, and free again after its release", async () => {
  await using folder = await tempDir();
  const path = join(folder.path, "run.lock");
  const child = spawn("sleep", ["60"]);
  try {
    const start = (await readFile(`/proc/${child.pid}/stat`, "utf8")).split(") ")[1]?.split(" ")[19];
    const bootId = (await readFile("/proc/sys/kernel/random/boot_id", "utf8")).trim();
    const holder = { pid: child.pid, processStart: `${bootId}:${start}`, since: "2026-06-01T12:00:00.000Z" };
    await writeFile(path, JSON.stringify(holder));
    await expect(acquireLock({ path, purpose: "A run", now })).rejects.toMatchObject({
      code: "STATE_FOLDER_IN_USE",
      message: expect.stringContaining(`process ${child.pid}`),
    });
    expect(await lockHolder(path)).toBe(child.pid);

    // The same pid, but another process: the pid was used again after a crash.
    await writeFile(path, JSON.stringify({ ...holder, processStart: `${bootId}:1` }));
    const lock = await acquireLock({ path, purpose: "A run", now });
    expect(await lockHolder(path)).toBe(process.pid);
    await lock.release();
    expect(await readdir(folder.path)).toEqual([]);
  } finally {
    child.kill("SIGKILL");
  }
});

test("a holder that was killed and is still in the process table holds nothing", async () => {
  await using folder = await tempDir();
  const path = join(folder.path, "run.lock");
  // Its parent becomes a program that never asks for it: as the first process of many containers does not.
  const parent = spawn("sh", ["-c", "sleep 0.2 & echo $!; exec sleep 60"], { stdio: ["ignore", "pipe", "ignore"] });
  try {
    const [line] = (await once(parent.stdout, "data")) as [Buffer];
    const pid = Number(line.toString());
    const stateOf = async (): Promise<readonly string[]> =>
      (await readFile(`/proc/${pid}/stat`, "utf8")).split(") ")[1]?.split(" ") ?? [];
    const start = (await stateOf())[19];
    const bootId = (await readFile("/proc/sys/kernel/random/boot_id", "utf8")).trim();
    await writeFile(path, JSON.stringify({ pid, processStart: `${bootId}:${start}`, since: now.toISOString() }));
    await expect.poll(async () => (await stateOf())[0]).toBe("Z");
    expect(await lockHolder(path)).toBeUndefined();
    const lock = await acquireLock({ path, purpose: "A run", now });
    await lock.release();
  } finally {
    parent.kill("SIGKILL");
  }
});

test("of many who want a stale lock at once exactly one gets it", async () => {
  await using folder = await tempDir();
  // Who wins and who looks at which moment is decided by the system: many rounds meet many orders.
  for (let round = 0; round < 100; round += 1) {
    const path = join(folder.path, `${round}.lock`);
    await writeFile(path, JSON.stringify({ pid: 2 ** 22 - 3, processStart: "x", since: "then" }));
    const results = await Promise.allSettled(
      Array.from({ length: 20 }, () => acquireLock({ path, purpose: "A run", now })),
    );
    expect(results.filter(({ status }) => status === "fulfilled")).toHaveLength(1);
  }
});

test("the ledger adds up over restarts, keeps shapes only, and drops what is older than 30 days", async () => {
  await using folder = await tempDir();
  await writeFile(join(folder.path, "2026-04-01.run.json"), "{}");
  const clock = new FakeClock(now);
  const { logger } = createTestLogger();
  const departure = {
    peer: "p",
    messageType: "t",
    sizeBytes: 10,
    fields: [{ path: "a", dataClass: "METADATA" }],
  } as const;
  for (let run = 0; run < 2; run += 1) {
    const ledger = createEgressLedger({ directory: folder.path, writer: "run", clock, logger });
    await ledger.start(new AbortController().signal);
    ledger.record(departure);
    ledger.record({ ...departure, fields: [{ path: "b", dataClass: "IDENTITY" }] });
    await ledger.stop(new AbortController().signal);
  }
  expect(await readdir(folder.path)).toEqual(["2026-06-01.run.json"]);
  expect(JSON.parse(await readFile(join(folder.path, "2026-06-01.run.json"), "utf8"))).toMatchObject({
    entries: [{ peer: "p", messageType: "t", messages: 4, bytes: 40, shape: { a: "METADATA", b: "IDENTITY" } }],
  });
});

test("the ledger is bounded: what is too much of one day is counted together", async () => {
  await using folder = await tempDir();
  const ledger = createEgressLedger({
    directory: folder.path,
    writer: "run",
    clock: new FakeClock(now),
    logger: createTestLogger().logger,
  });
  await ledger.start(new AbortController().signal);
  for (let index = 0; index < 600; index += 1) {
    ledger.record({ peer: `p${index}`, messageType: "t", sizeBytes: 1, fields: [] });
  }
  await ledger.stop(new AbortController().signal);
  const file = JSON.parse(await readFile(join(folder.path, "2026-06-01.run.json"), "utf8")) as {
    readonly entries: readonly { readonly peer: string; readonly messages: number }[];
  };
  expect(file.entries).toHaveLength(501);
  expect(file.entries.at(-1)).toMatchObject({ peer: "others", messages: 100 });
});
