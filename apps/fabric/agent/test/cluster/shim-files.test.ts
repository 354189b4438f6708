import { readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { isAlive, isOlder, processFamily, processRef, readStateFile, writeStateFile } from "@drawbridge/app-routes";
import { systemClock } from "@drawbridge/lifecycle";
import { tempDir } from "@drawbridge/testkit";
import { expect, test } from "vitest";
import { appPaths, writeAppRecord } from "../../src/cluster/process/app-folder.ts";
import { readLogs } from "../../src/cluster/process/read-logs.ts";
import { createLogWriter } from "../../src/shim/log-writer.ts";
import { never } from "./harness.ts";
import { mkdirSync } from "node:fs";

/** An app with one replica folder, and a writer of its logs. */
async function aReplicaLog(limits: { readonly maxFileBytes: number; readonly maxFiles: number }) {
  const folder = await tempDir();
  const paths = appPaths(folder.path, "app-1");
  const directory = join(paths.replicas, "r1", "logs");
  mkdirSync(directory, { recursive: true });
  writeAppRecord(paths, {
    appId: "app-1",
    name: "shop",
    environmentName: "test",
    port: undefined,
    isPortInUse: false,
    uid: undefined,
    appliedSpecDigest: "",
    appliedGeneration: 0n,
  });
  const writer = createLogWriter({ directory, ...limits });
  return {
    directory,
    async write(from: number, to: number) {
      for (let index = from; index < to; index += 1) {
        writer.append({ at: new Date(index), stream: "stdout", line: `line ${index}` });
        await writer.drained();
      }
    },
    logs: (tailLines: number, follow: boolean, signal: AbortSignal) =>
      readLogs(paths, { appId: "app-1", tailLines, follow }, { clock: systemClock, signal }),
    async [Symbol.asyncDispose]() {
      await writer.close();
      await folder[Symbol.asyncDispose]();
    },
  };
}

test("keeps logs within files times bytes, the newest lines of all", async () => {
  await using log = await aReplicaLog({ maxFileBytes: 500, maxFiles: 3 });
  await log.write(0, 200);
  const files = readdirSync(log.directory);
  expect(files).toHaveLength(3);
  for (const name of files) expect(statSync(join(log.directory, name)).size).toBeLessThan(600);
  const lines: string[] = [];
  for await (const { line } of log.logs(1_000, false, never)) lines.push(line);
  expect(lines.at(-1)).toBe("line 199");
  expect(lines.length).toBeGreaterThan(10);
  expect(lines).toEqual(lines.map((_, index) => `line ${200 - lines.length + index}`));
});

test("takes the tail from several files and follows over rotations without a gap", async () => {
  await using log = await aReplicaLog({ maxFileBytes: 500, maxFiles: 100 });
  await log.write(0, 40);
  const following = new AbortController();
  const lines: string[] = [];
  for await (const { line } of log.logs(20, true, following.signal)) {
    lines.push(line);
    if (lines.length === 20) await log.write(40, 100);
    if (lines.length === 80) following.abort();
  }
  expect(lines).toEqual(Array.from({ length: 80 }, (_, index) => `line ${20 + index}`));
});

test("passes over a record that a full disk cut short", async () => {
  await using log = await aReplicaLog({ maxFileBytes: 10_000, maxFiles: 2 });
  await log.write(0, 2);
  const path = join(log.directory, "current.jsonl");
  writeFileSync(path, `${readFileSync(path, "utf8")}{"at":"1970-01-01T00\n`);
  await log.write(2, 3);
  const lines: string[] = [];
  for await (const { line } of log.logs(10, false, never)) lines.push(line);
  expect(lines).toEqual(["line 0", "line 1", "line 2"]);
});

test("pads state files to whole kilobytes, readable by their owner only, and leaves nothing beside them", async () => {
  await using folder = await tempDir();
  const path = join(folder.path, "state.json");
  for (const value of [{ short: true }, { long: "x".repeat(3_000) }, { last: "ü" }]) {
    writeStateFile(path, value);
    expect(readStateFile(path)).toEqual(value);
    expect(statSync(path).size % 1_024).toBe(0);
  }
  expect(statSync(path).mode & 0o777).toBe(0o600);
  expect(readdirSync(folder.path)).toEqual(["state.json"]);
});

test("takes a missing, empty or cut state file for none", async () => {
  await using folder = await tempDir();
  const path = join(folder.path, "state.json");
  expect(readStateFile(path)).toBeUndefined();
  for (const text of ["", "{", "\0\0\0"]) {
    writeFileSync(path, text);
    expect(readStateFile(path)).toBeUndefined();
  }
});

test("does not take a process for another one that had its pid before", () => {
  const self = processRef(process.pid);
  if (self === undefined) throw new Error("this process lives");
  expect(isAlive(self)).toBe(true);
  const earlier = { ...self, startTicks: String(Number(self.startTicks) - 1) };
  expect(isAlive(earlier)).toBe(false);
  expect(processFamily(earlier)).toEqual([]);
  expect(isAlive({ ...self, bootId: "another boot" })).toBe(false);
  expect(isOlder(earlier, self)).toBe(true);
  expect(isOlder(self, earlier)).toBe(false);
});
