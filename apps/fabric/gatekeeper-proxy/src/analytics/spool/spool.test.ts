import { cpSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { FakeClock, tempDir } from "@drawbridge/testkit";
import fc from "fast-check";
import { afterEach, beforeEach, expect, test } from "vitest";
import type { RecordedCount } from "../recorded-counts.ts";
import type { Loss } from "./gap-list.ts";
import type { SpooledBatch, SpoolLimits } from "./spool-options.ts";
import { Spool } from "./spool.ts";

let folder: Awaited<ReturnType<typeof tempDir>>;
let home = "";
/** Those that a test has left open. */
let open: Spool[] = [];
beforeEach(async () => {
  folder = await tempDir();
  home = join(folder.path, "spool");
  mkdirSync(home);
});
afterEach(async () => {
  for (const spool of open) await spool.close();
  open = [];
  await folder[Symbol.asyncDispose]();
});

const roomy: SpoolLimits = { bytes: 1_000_000, segmentBytes: 2_000, ageMs: 86_400_000 };
const start = Date.UTC(2026, 10, 22);

/** A batch of the tests as it would be sent. */
interface Sent {
  readonly epoch: number;
  readonly sequence: number;
  readonly losses: readonly Loss[];
  readonly body: string;
}

interface Opened {
  readonly spool: Spool;
  readonly clock: FakeClock;
  readonly lost: Loss[];
}

async function opened(
  directory: string,
  limits = roomy,
  clock = new FakeClock(new Date(start)),
  recordedBefore?: RecordedCount,
): Promise<Opened> {
  const lost: Loss[] = [];
  const spool = await Spool.open({
    directory,
    limits,
    recordedBefore,
    clock,
    pastMs: () => clock.now().getTime(),
    encode: (name, losses, body) =>
      Buffer.from(JSON.stringify({ ...name, losses, body: Buffer.from(body).toString() } satisfies Sent)),
    onLoss: (loss) => lost.push(loss),
  });
  open.push(spool);
  return { spool, clock, lost };
}

let snapshots = 0;

/** The folder as a process leaves it that is killed now. */
function snapshot(directory = home): string {
  snapshots += 1;
  const copy = `${folder.path}/snapshot-${snapshots}`;
  cpSync(directory, copy, { recursive: true });
  return copy;
}

const aBatch = (text: string, rows = 10) => ({ body: Buffer.from(text), rows, fromMs: start, toMs: start + 1 });

async function append(spool: Spool, from: number, to: number, length = 200): Promise<void> {
  for (let index = from; index <= to; index += 1) await spool.append(aBatch(`batch ${index} ${"x".repeat(length)}`));
  await spool.commit();
}

const readSent = ({ payload }: Pick<SpooledBatch, "payload">): Sent => JSON.parse(payload.toString()) as Sent;

/** Everything that waits, delivered. */
async function drain(spool: Spool): Promise<readonly Sent[]> {
  const sent: Sent[] = [];
  for (let batch = await spool.next(); batch !== undefined; batch = await spool.next()) {
    sent.push(readSent(batch));
    await spool.settle(batch);
  }
  return sent;
}

const numbers = (sent: readonly Sent[]): readonly number[] => sent.map(({ body }) => Number(body.split(" ")[1]));
const upTo = (count: number): readonly number[] => Array.from({ length: count }, (_, index) => index + 1);
const requestsIn = (losses: readonly Loss[]): number => losses.reduce((sum, { requests }) => sum + requests, 0);
const segmentsIn = (directory: string): readonly string[] =>
  readdirSync(directory)
    .filter((name) => name.startsWith("segment-"))
    .toSorted();

test("batches come out in their order, once, and only when they are on the disk", async () => {
  const { spool } = await opened(home);
  await spool.append(aBatch("batch 1"));
  expect(await spool.next()).toBeUndefined();
  await spool.commit();
  await append(spool, 2, 20);
  expect(numbers(await drain(spool))).toEqual(upTo(20));
  expect(await spool.next()).toBeUndefined();
  await spool.close();
  expect(segmentsIn(home)).toEqual([]);
});

test("after a crash everything that was not delivered comes again, byte for byte, and new names are of another epoch", async () => {
  const before = await opened(home);
  await append(before.spool, 1, 20);
  const first: Buffer[] = [];
  for (let batch = await before.spool.next(); batch !== undefined; batch = await before.spool.next()) {
    first.push(batch.payload);
    if (first.length <= 5) await before.spool.settle(batch);
  }
  before.clock.advance(1_000);
  await before.spool.commit();
  const { spool } = await opened(snapshot());
  const again: Buffer[] = [];
  for (let batch = await spool.next(); batch !== undefined; batch = await spool.next()) again.push(batch.payload);
  expect(Buffer.concat(again).equals(Buffer.concat(first.slice(5)))).toBe(true);
  await append(spool, 21, 21);
  const fresh = await spool.next();
  expect(fresh && readSent(fresh).epoch).toBeGreaterThan(readSent({ payload: first[0] ?? Buffer.alloc(0) }).epoch);
  expect(fresh && readSent(fresh).sequence).toBe(1);
});

test("after an end in order the numbers go on", async () => {
  const before = await opened(home);
  await append(before.spool, 1, 3);
  const old = await drain(before.spool);
  await before.spool.close();
  const { spool } = await opened(home);
  await append(spool, 4, 4);
  expect(await drain(spool)).toMatchObject([{ epoch: old[0]?.epoch, sequence: 4 }]);
});

test("cut at any byte, the spool gives whole batches from the beginning, and no name to other bytes", async () => {
  const limits = { ...roomy, segmentBytes: 350 };
  const before = await opened(home, limits);
  await append(before.spool, 1, 4, 1);
  const last = segmentsIn(home).at(-1) ?? "";
  const size = statSync(join(home, last)).size;
  const sealed = await sealedCount();
  expect([segmentsIn(home).length, sealed]).toEqual([2, 2]);
  const cutAt = async (cut: number): Promise<void> => {
    const copy = snapshot();
    truncateSync(join(copy, last), cut);
    const { spool } = await opened(copy, limits);
    await append(spool, 99, 99);
    const sent = await drain(spool);
    const old = numbers(sent).filter((number) => number !== 99);
    expect(old).toEqual(upTo(old.length));
    expect(old.length).toBeGreaterThanOrEqual(sealed);
    expect(new Set(sent.map(({ epoch, sequence }) => `${epoch} ${sequence}`)).size).toBe(sent.length);
    expect(sent.at(-1)?.epoch).toBeGreaterThan(sent[0]?.epoch ?? 0);
    await spool.close();
    rmSync(copy, { recursive: true });
  };
  for (let cut = 0; cut < size; cut += 32) {
    await Promise.all(Array.from({ length: Math.min(32, size - cut) }, (_, more) => cutAt(cut + more)));
  }
});

/** Batches in all segments but the last. */
async function sealedCount(): Promise<number> {
  const copy = snapshot();
  truncateSync(join(copy, segmentsIn(copy).at(-1) ?? ""), 0);
  const { spool } = await opened(copy);
  return (await drain(spool)).length;
}

test("with any byte damaged, whole batches come out, and what is missing is counted, to the request", async () => {
  const before = await opened(home);
  await append(before.spool, 1, 14);
  before.clock.advance(1_000);
  before.spool.lose({ requests: 7, fromMs: start, toMs: start, reason: "overloaded" });
  await before.spool.commit(); // the state knows all of them now
  const names = segmentsIn(home);
  const bytes = names.flatMap((name) =>
    Array.from({ length: statSync(join(home, name)).size }, (_, at) => ({ name, at })),
  );
  await fc.assert(
    fc.asyncProperty(fc.constantFrom(...bytes), fc.integer({ min: 1, max: 255 }), async ({ name, at }, change) => {
      const copy = snapshot();
      const content = readFileSync(join(copy, name));
      content[at] = (content[at] ?? 0) ^ change;
      writeFileSync(join(copy, name), content);
      const { spool } = await opened(copy);
      const old = await drain(spool);
      expect(numbers(old)).toEqual(numbers(old).toSorted((left, right) => left - right));
      expect(numbers(old).length).toBe(13);
      await append(spool, 15, 15);
      const [fresh] = await drain(spool);
      expect(fresh?.losses).toMatchObject([{ requests: 7 }, { requests: 10, reason: "spool_damaged" }]);
      expect(readdirSync(join(copy, "damaged"))).toHaveLength(1);
      await spool.close();
    }),
    { numRuns: 30 },
  );
});

test("full, the oldest go, are counted, and the next batch tells of them", async () => {
  const limits = { ...roomy, bytes: 6_000 };
  const { spool, lost } = await opened(home, limits);
  await append(spool, 1, 100);
  expect(spool.stats().bytes).toBeLessThanOrEqual(limits.bytes);
  const sent = await drain(spool);
  expect(numbers(sent)).toEqual(upTo(100).slice(-sent.length));
  expect(sent.length).toBeLessThan(25);
  await append(spool, 101, 101);
  const told = [...sent, ...(await drain(spool))];
  expect(10 * told.length + requestsIn(told.flatMap(({ losses }) => losses))).toBe(1_010);
  expect(new Set(lost.map(({ reason }) => reason))).toEqual(new Set(["spool_full"]));
});

test("what is under way is not given up: the oldest that waits goes in its place", async () => {
  const { spool } = await opened(home, { ...roomy, bytes: 6_000 });
  await append(spool, 1, 5);
  const first = await spool.next();
  await append(spool, 6, 60);
  expect(first && numbers([readSent(first)])).toEqual([1]);
  await spool.rewind();
  expect(numbers(await drain(spool)).slice(0, 5)).toEqual([1, 2, 3, 4, 5]);
});

test("what is older than it may be is given up and counted", async () => {
  const { spool, clock, lost } = await opened(home);
  await append(spool, 1, 20);
  clock.advance(roomy.ageMs + 10);
  await spool.review();
  expect(requestsIn(lost)).toBe(200);
  expect(lost.every(({ reason }) => reason === "too_old")).toBe(true);
  await append(spool, 21, 21);
  expect((await drain(spool)).map(({ losses }) => requestsIn(losses))).toEqual([200]);
});

test("what was delivered does not stay on the disk when nothing follows", async () => {
  const { spool } = await opened(home);
  await append(spool, 1, 2);
  await drain(spool);
  await spool.review();
  expect(segmentsIn(home)).toEqual([]);
});

test("a loss outlives a crash, and is told once", async () => {
  const before = await opened(home);
  before.spool.lose({ requests: 5, fromMs: start, toMs: start, reason: "refused" });
  before.clock.advance(1_000);
  await before.spool.commit();
  const second = await opened(snapshot());
  await append(second.spool, 1, 1);
  const { spool } = await opened(snapshot(`${folder.path}/snapshot-${snapshots}`));
  await append(spool, 2, 2);
  expect((await drain(spool)).map(({ losses }) => requestsIn(losses))).toEqual([5, 0]);
});

test("with its state damaged, the spool gives everything that it has", async () => {
  const before = await opened(home);
  await append(before.spool, 1, 14);
  const copy = snapshot();
  writeFileSync(join(copy, "state"), Buffer.alloc(100, 7));
  const { spool } = await opened(copy);
  expect(numbers(await drain(spool))).toEqual(upTo(14));
});

/** What may happen to a spool, in any order. */
const happening = fc.oneof(
  { weight: 6, arbitrary: fc.integer({ min: 1, max: 30 }).map((rows) => ({ kind: "append", rows }) as const) },
  { weight: 3, arbitrary: fc.constant({ kind: "commit" } as const) },
  { weight: 6, arbitrary: fc.constant({ kind: "next" } as const) },
  { weight: 5, arbitrary: fc.nat(9).map((index) => ({ kind: "settle", index }) as const) },
  { weight: 1, arbitrary: fc.constant({ kind: "rewind" } as const) },
  { weight: 1, arbitrary: fc.constant({ kind: "review" } as const) },
  { weight: 1, arbitrary: fc.integer({ min: 1, max: 9 }).map((requests) => ({ kind: "lose", requests }) as const) },
  { weight: 1, arbitrary: fc.constant({ kind: "crash" } as const) },
  { weight: 1, arbitrary: fc.constant({ kind: "restart" } as const) },
);

test("whatever happens, every request is in a batch that was delivered, each name with the same bytes, or in a gap", async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(happening, { maxLength: 60 }), async (happenings) => {
      let directory = snapshot(); // an empty one
      const limits = { ...roomy, bytes: 3_000, segmentBytes: 600 };
      const clock = new FakeClock(new Date(start));
      let { spool } = await opened(directory, limits, clock);
      let out: SpooledBatch[] = [];
      const delivered = new Map<string, string>();
      let taken = 0;
      const deliver = (batch: SpooledBatch): void => {
        const sent = readSent(batch);
        const name = `${sent.epoch} ${sent.sequence}`;
        expect(delivered.get(name) ?? batch.payload.toString()).toBe(batch.payload.toString());
        delivered.set(name, batch.payload.toString());
      };
      const reopen = async (): Promise<void> => {
        out = [];
        clock.advance(1_000);
        ({ spool } = await opened(directory, limits, clock));
      };
      for (const each of happenings) {
        switch (each.kind) {
          case "append":
            await spool.append(aBatch(`rows ${each.rows} ${"x".repeat(each.rows * 5)}`, each.rows));
            taken += each.rows;
            break;
          case "commit":
            await spool.commit();
            break;
          case "next": {
            const batch = await spool.next();
            if (batch !== undefined) out.push(batch);
            break;
          }
          case "settle": {
            const [batch] = out.splice(each.index, 1);
            if (batch === undefined) break;
            deliver(batch);
            await spool.settle(batch);
            break;
          }
          case "rewind":
            out = [];
            await spool.rewind();
            break;
          case "review":
            await spool.review();
            break;
          case "lose":
            spool.lose({ requests: each.requests, fromMs: start, toMs: start, reason: "overloaded" });
            clock.advance(1_000);
            await spool.commit(); // what is only in memory may be lost with it
            taken += each.requests;
            break;
          case "crash": {
            const left = snapshot(directory);
            await spool.close();
            directory = left;
            await reopen();
            break;
          }
          case "restart":
            await spool.close();
            await reopen();
        }
      }
      await spool.rewind();
      await spool.append(aBatch("rows 1", 1));
      await spool.commit();
      for (let batch = await spool.next(); batch !== undefined; batch = await spool.next()) {
        deliver(batch);
        await spool.settle(batch);
      }
      await spool.close();
      const sent = [...delivered.values()].map((text) => JSON.parse(text) as Sent);
      const rows = sent.reduce((sum, { body }) => sum + Number(body.split(" ")[1]), 0);
      expect(rows + requestsIn(sent.flatMap(({ losses }) => losses))).toBe(taken + 1);
    }),
    { numRuns: 60 },
  );
});

const recorded = (requests: number): RecordedCount => ({ requests, fromMs: start, toMs: start + 900 });

test("what threads recorded before a kill and the spool never got is told as lost, once (ANA 1)", async () => {
  const first = await opened(home, roomy, undefined, recorded(0));
  await append(first.spool, 1, 3); // ten requests each
  const killed = snapshot();
  const second = await opened(killed, roomy, undefined, recorded(37));
  expect(second.lost).toEqual([{ requests: 7, fromMs: start, toMs: start + 900, reason: "interrupted" }]);
  const third = await opened(snapshot(killed), roomy, undefined, recorded(37));
  expect(third.lost).toEqual([]);
  await third.spool.appendLosses();
  await third.spool.commit();
  expect((await drain(third.spool)).flatMap(({ losses }) => losses)).toMatchObject([{ requests: 7 }]);
});

test("losses that came to the spool are in its count, also beyond 32 bits: they are not told again (ANA 1)", async () => {
  const { spool } = await opened(home);
  spool.receiveLoss({ requests: 5, fromMs: start, toMs: start, reason: "overloaded" });
  await append(spool, 1, 1);
  const next = await opened(snapshot(), roomy, undefined, recorded(2 ** 32 + 15));
  expect(next.lost).toEqual([]);
});

test("a count that is behind the spool, as after a power cut, tells of nothing, and goes on from there", async () => {
  const { spool } = await opened(home);
  await append(spool, 1, 2);
  const copy = snapshot();
  const next = await opened(copy, roomy, undefined, recorded(3));
  expect(next.lost).toEqual([]);
  await append(next.spool, 3, 3);
  const after = await opened(snapshot(copy), roomy, undefined, recorded(14));
  expect(after.lost.map(({ requests }) => requests)).toEqual([1]);
});
