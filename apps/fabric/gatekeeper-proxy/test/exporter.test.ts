import { spawnSync } from "node:child_process";
import { mkdirSync, readdirSync, readFileSync, renameSync } from "node:fs";
import { join } from "node:path";
import { GapReason } from "@drawbridge/contracts/analytics/v1/request_batch";
import type { LedgerFile } from "@drawbridge/egress";
import { createTestCa, tempDir, type TestCa } from "@drawbridge/testkit";
import { afterEach, beforeAll, beforeEach, expect, test } from "vitest";
import { startExporter } from "./support/exporter-thread.ts";
import { startIngest, type IngestServer } from "./support/ingest-server.ts";

let ca: TestCa;
let ingest: IngestServer;
let folder: Awaited<ReturnType<typeof tempDir>>;
let directory = "";

beforeAll(async () => {
  ca = await createTestCa();
});
beforeEach(async () => {
  folder = await tempDir();
  directory = join(folder.path, "analytics");
  ingest = await startIngest(await ca.issueService("analytics-ingest"));
});
afterEach(async () => {
  await ingest[Symbol.asyncDispose]();
  await folder[Symbol.asyncDispose]();
});

const options = (more: { readonly spoolBytes?: number } = {}) => ({
  directory,
  trustBundle: ca.trustBundle,
  url: () => ingest.url,
  ...more,
});
const segments = (): readonly string[] => readdirSync(directory).filter((name) => name.startsWith("segment-"));

test("a full spool gives up the oldest; gaps and what is delivered add up to what was recorded (ANA 1)", async () => {
  await ingest.stop();
  await using exporter = startExporter(options({ spoolBytes: 400_000 }));
  for (let batch = 0; batch < 60; batch += 1) exporter.record(100);
  await expect.poll(() => exporter.status?.lost.spool_full ?? 0).toBeGreaterThan(0);
  await expect.poll(() => exporter.heard.filter(({ type }) => type === "taken")).toHaveLength(60);
  expect(exporter.status?.spool?.bytes).toBeLessThanOrEqual(400_000);
  await ingest.start();
  await expect.poll(() => exporter.status?.spool?.requests).toBe(0);
  await expect.poll(() => ingest.accounted()).toBe(exporter.recorded); // what was lost last leaves by itself
  const gaps = [...ingest.acknowledged.values()].flatMap((batch) => batch.gaps);
  expect(new Set(gaps.map(({ reason }) => reason))).toEqual(new Set([GapReason.GAP_REASON_SPOOL_FULL]));
  expect(ingest.requests().length).toBeLessThan(exporter.recorded);
});

test("a batch that is refused for good is set aside, told of as a gap, and holds nothing up", async () => {
  let isFirst = true;
  ingest.answer = () => {
    const answer = isFirst ? { status: 400, body: { code: "ANALYTICS_BATCH_INVALID" } } : undefined;
    isFirst = false;
    return answer;
  };
  await using exporter = startExporter(options());
  exporter.record(7);
  await expect.poll(() => exporter.status?.refusedBatches).toBe(1);
  exporter.record(3);
  await expect.poll(() => ingest.accounted()).toBe(10);
  expect([...ingest.acknowledged.values()].flatMap(({ gaps }) => gaps)).toEqual([
    { requests: 7, reason: GapReason.GAP_REASON_REFUSED },
  ]);
  expect(readdirSync(join(directory, "rejected"))).toHaveLength(1);
});

test("a token that is refused is replaced, and the batch is sent again, byte for byte", async () => {
  const sent: Buffer[] = [];
  ingest.answer = (batch, token) => {
    sent.push(batch.sent);
    return token === "token-1" ? { status: 401 } : undefined;
  };
  await using exporter = startExporter(options());
  exporter.record(5);
  await expect.poll(() => ingest.accounted()).toBe(5);
  expect(exporter.asked).toEqual(["", "token-1"]);
  expect(sent).toHaveLength(2);
  expect(sent[0]?.equals(sent[1] ?? Buffer.alloc(0))).toBe(true);
});

test.each([429, 503, 500, 404, 302])("an answer %i is no end: everything is delivered later", async (status) => {
  let left = 2;
  ingest.answer = () => {
    left -= 1;
    return left < 0 ? undefined : { status, headers: { location: "https://127.0.0.1:1/", "retry-after": "1" } };
  };
  await using exporter = startExporter(options());
  for (let batch = 0; batch < 5; batch += 1) exporter.record(2);
  await expect.poll(() => ingest.accounted()).toBe(10);
  expect(exporter.status?.lost).toEqual({});
});

test("every batch that leaves is in the ledger, refused ones too, over restarts (META 4)", async () => {
  const sizes: number[] = [];
  ingest.answer = ({ sent }) => {
    sizes.push(sent.length);
    return sizes.length === 1 ? { status: 503 } : undefined;
  };
  for (const total of [1, 2]) {
    await using exporter = startExporter(options());
    exporter.record(5);
    await expect.poll(() => ingest.accounted()).toBe(5 * total);
    await exporter.stop(5_000);
  }
  const folderOfLedger = `${directory}-egress`;
  const files = readdirSync(folderOfLedger).map((name) => readFileSync(join(folderOfLedger, name), "utf8"));
  const entries = files.flatMap((text) => (JSON.parse(text) as LedgerFile).entries);
  const sum = (counts: readonly number[]): number => counts.reduce((all, count) => all + count, 0);
  expect(sum(entries.map(({ messages }) => messages))).toBe(sizes.length);
  expect(sum(entries.map(({ bytes }) => bytes))).toBe(sum(sizes));
  expect(entries[0]?.peer).toBe(`analytics-ingest ${new URL(ingest.url).host}`);
});

test("a server that asks for fewer batches is obeyed", async () => {
  ingest.answer = () => ({ status: 200, body: { accepted: 1, minFlushMs: 5_000 } });
  await using exporter = startExporter(options());
  exporter.record(1);
  await expect
    .poll(() => exporter.heard.find(({ type }) => type === "pace"))
    .toEqual({
      type: "pace",
      flushEveryMs: 5_000,
    });
});

test("another server than analytics-ingest gets nothing, whatever its certificate (ANA 1)", async () => {
  await using other = await startIngest(await ca.issueService("api-manager"));
  await using stranger = await startIngest(await (await createTestCa()).issueService("analytics-ingest"));
  for (const { url, wire } of [other, stranger]) {
    await using exporter = startExporter({ ...options(), url: () => url });
    exporter.record(1);
    await expect.poll(() => exporter.status?.trouble?.reason).toBeDefined();
    expect(wire).toEqual([]);
  }
});

test("at the end everything is delivered if that goes well, and what is not waits for the next start", async () => {
  await using first = startExporter(options());
  first.record(10);
  await first.stop(5_000);
  expect(ingest.accounted()).toBe(10);
  expect(segments()).toEqual([]);
  await ingest.stop();
  await using second = startExporter(options());
  second.record(20);
  await expect.poll(() => second.status?.trouble).toBeDefined();
  await second.stop(5_000);
  expect(segments()).toHaveLength(1);
  await ingest.start();
  await using third = startExporter(options());
  await expect.poll(() => ingest.accounted()).toBe(30);
  await expect.poll(() => third.status?.sentRequests).toBe(20);
  const epochs = new Set([...ingest.acknowledged.keys()].map((name) => name.split(" ")[1]));
  expect(epochs.size).toBe(1); // every end was in order
});

test("what a gateway that is gone left is delivered by one of the others, under its names, each batch once (ANA 1)", async () => {
  await ingest.stop();
  const leftDirectory = join(folder.path, "left-spools");
  await using gone = startExporter({ ...options(), gatewayId: "gateway-2" });
  for (let batch = 0; batch < 20; batch += 1) gone.record(10);
  await expect.poll(() => gone.heard.filter(({ type }) => type === "taken")).toHaveLength(20);
  await gone.kill();
  mkdirSync(leftDirectory);
  renameSync(directory, join(leftDirectory, "gateway-2.1"));
  const other = (gatewayId: string) =>
    startExporter({ ...options(), directory: join(folder.path, gatewayId), gatewayId, leftDirectory });
  const first = other("gateway-0");
  await expect.poll(() => first.status?.takenOver).toBe(200);
  await first.kill(); // and goes on when it is back
  await ingest.start();
  await using again = other("gateway-0");
  await using sibling = other("gateway-1");
  await expect.poll(() => ingest.accounted()).toBe(gone.recorded);
  await expect.poll(() => readdirSync(join(folder.path, "gateway-0-taken"))).toEqual([]);
  expect(new Set([...ingest.acknowledged.keys()].map((name) => name.split(" ")[0]))).toEqual(new Set(["gateway-2"]));
  expect(ingest.requests()).toHaveLength(200);
  expect([again.status?.takenOver, sibling.status?.takenOver]).toEqual([0, 0]);
});

const mount = (path: string): boolean =>
  spawnSync("mount", ["-t", "tmpfs", "-o", "size=512k", "tmpfs", path]).status === 0;

async function canMount(): Promise<boolean> {
  await using place = await tempDir();
  const isMounted = mount(place.path);
  if (isMounted) spawnSync("umount", ["--lazy", place.path]);
  return isMounted;
}

test.skipIf(!(await canMount()))("on a full disk the oldest go, and everything is accounted for (ANA 1)", async () => {
  mkdirSync(directory);
  mount(directory);
  try {
    await ingest.stop();
    await using exporter = startExporter(options({ spoolBytes: 1_048_576 }));
    for (let batch = 0; batch < 60; batch += 1) exporter.record(100);
    await expect.poll(() => exporter.heard.filter(({ type }) => type === "taken")).toHaveLength(60);
    await ingest.start();
    await expect.poll(() => exporter.status?.spool?.requests).toBe(0);
    await expect.poll(() => ingest.accounted()).toBe(exporter.recorded);
    expect(exporter.status?.lost.spool_full).toBeGreaterThan(0);
  } finally {
    spawnSync("umount", ["--lazy", directory]);
  }
});
