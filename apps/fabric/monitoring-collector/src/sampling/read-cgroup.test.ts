import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { readCgroup } from "./read-cgroup.ts";

/** The files of a cgroup v2 folder, as the kernel writes them. */
function aCgroup(files: Readonly<Record<string, string>>): string {
  const directory = mkdtempSync(join(tmpdir(), "drawbridge-cgroup-"));
  onTestFinished(() => rmSync(directory, { recursive: true }));
  for (const [name, text] of Object.entries(files)) writeFileSync(join(directory, name), text);
  return directory;
}

const files = {
  "cpu.stat": "usage_usec 2500000\nuser_usec 2000000\nsystem_usec 500000\nnr_periods 4\n",
  "memory.current": "104857600\n",
  "memory.stat": "anon 80000000\nfile 20000000\ninactive_file 4857600\nactive_file 3\n",
  "memory.max": "536870912\n",
};

test("takes a replica's own cgroup: CPU, memory without what the kernel gives back, its limit (MON)", () => {
  expect(readCgroup(aCgroup(files))).toEqual({ cpuMs: 2_500, usedBytes: 100_000_000, limitBytes: 536_870_912 });
});

test("has no limit where there is none", () => {
  expect(readCgroup(aCgroup({ ...files, "memory.max": "max\n" }))?.limitBytes).toBeUndefined();
});

test.each(["cpu.stat", "memory.current", "memory.max"])("is none without %s", (name) => {
  const { [name]: _, ...others } = files as Record<string, string>;
  expect(readCgroup(aCgroup(others))).toBeUndefined();
});
