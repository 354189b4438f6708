import { IdentityHolder } from "@drawbridge/pki";
import { createRevocationList, type RevocationListOptions, type RevocationNews } from "@drawbridge/rpc";
import { cryptoRandom } from "@drawbridge/lifecycle";
import { createTestCa, createTestLogger, FakeClock, type TestCa } from "@drawbridge/testkit";
import { beforeAll, expect, onTestFinished, test } from "vitest";
import { startScriptedAuthority } from "./support/scripted-authority.ts";

let ca: TestCa;
beforeAll(async () => {
  ca = await createTestCa();
});

const forever = new AbortController().signal;
const shown = (serialNumber: string) => ({ serialNumber, fingerprintSha256: "" });

async function setUp(options: Partial<RevocationListOptions> = {}) {
  const authority = await startScriptedAuthority(ca);
  onTestFinished(() => authority[Symbol.asyncDispose]());
  const clock = new FakeClock();
  const gauges = new Map<string, () => unknown>();
  const log = createTestLogger();
  const identity = new IdentityHolder(await ca.issueService("config-resolver"));
  const list = createRevocationList({
    source: { address: authority.address, identity },
    clock,
    random: { next: () => 0.5 },
    logger: log.logger,
    metrics: {
      counter: () => ({ add: () => undefined }),
      histogram: () => ({ record: () => undefined }),
      gauge: (name, _about, read) => void gauges.set(name, read),
    },
    ...options,
  });
  onTestFinished(() => list.stop(AbortSignal.timeout(5_000)));
  /** Lets the next read happen and waits until it is over. */
  const poll = async (): Promise<void> => {
    await clock.waitForSleep();
    clock.advance(2_000);
    await clock.waitForSleep();
  };
  return { authority, clock, gauges, log, list, poll };
}

test("the whole list is there when the start is over, of however many pages", async () => {
  const { authority, list } = await setUp();
  authority.pageSize = 3;
  for (let serial = 10; serial < 20; serial += 1) authority.revoke({ serialNumber: `${serial}` });
  expect(list.isLoaded).toBe(false);
  expect(list.health()).toBe("the revocation list was not read yet");
  await list.start(forever);
  expect(list.isLoaded).toBe(true);
  expect(list.health()).toBeUndefined();
  expect(list.refusal(shown("10"))).toMatchObject({ reason: "key leaked" });
  expect(list.refusal(shown("19"))).toBeDefined();
  expect(list.refusal(shown("20"))).toBeUndefined();
});

test("a revocation is known with the next poll, without any message bus (REN 6)", async () => {
  const { authority, list, poll } = await setUp();
  const heard: boolean[] = [];
  list.onRevoked(() => void heard.push(list.refusal(shown("0a")) !== undefined));
  await list.start(forever);
  authority.revoke({ serialNumber: "0a" });
  expect(heard).toEqual([]);
  await poll();
  expect(heard).toEqual([true]);
  await poll();
  expect(heard).toEqual([true]);
});

test("only what is new is asked for", async () => {
  const { authority, list, poll } = await setUp();
  authority.revoke({ serialNumber: "0a" });
  await list.start(forever);
  await poll();
  expect(authority.requests).toEqual([
    { afterPosition: 0n, listId: "" },
    { afterPosition: 1n, listId: "list-1" },
  ]);
});

test("a hint on the bus has the list read at once, also when the bus comes later than we do", async () => {
  let hint: (() => void) | undefined;
  let isBusThere = false;
  const news: RevocationNews = {
    subscribe: (onHint) => {
      if (!isBusThere) throw new Error("away");
      hint = onHint;
      return { close: () => Promise.resolve() };
    },
    readMirror: () => Promise.reject(new Error("away")),
  };
  const { authority, list, poll } = await setUp({ news });
  await list.start(forever);
  expect(hint).toBeUndefined();
  isBusThere = true;
  await poll();
  const heard = Promise.withResolvers<void>();
  list.onRevoked(heard.resolve);
  authority.revoke({ serialNumber: "0a" });
  hint?.();
  await heard.promise; // no time passes: the clock stands still
  expect(list.refusal(shown("0a"))).toBeDefined();
});

test("a restored database takes nothing back: the list keeps what it has and reads again from the start (R17)", async () => {
  const { authority, list, poll } = await setUp();
  authority.revoke({ serialNumber: "0a" });
  authority.revoke({ serialNumber: "0b" });
  await list.start(forever);
  authority.restore("list-2");
  authority.revoke({ serialNumber: "0c" });
  await poll();
  expect(authority.requests.slice(-2)).toEqual([
    { afterPosition: 2n, listId: "list-1" },
    { afterPosition: 0n, listId: "list-2" },
  ]);
  for (const serial of ["0a", "0b", "0c"]) expect(list.refusal(shown(serial)), serial).toBeDefined();
});

test("with cert-authority away the list stays in use, its age shows, and above 30 s it is an alert", async () => {
  const { authority, clock, gauges, log, list, poll } = await setUp();
  authority.revoke({ serialNumber: "0a" });
  await list.start(forever);
  expect(gauges.get("revocations")?.()).toBe(1);
  await authority.stop();
  await poll();
  expect(list.freshness()).toBeUndefined();
  clock.advance(30_000);
  await clock.waitForSleep();
  expect(list.freshness()).toMatch(/^the revocation list is 3\d s old$/);
  expect(list.health()).toBeUndefined();
  expect(gauges.get("revocation_list_age_seconds")?.()).toEqual([[32, {}]]);
  expect(list.refusal(shown("0a"))).toBeDefined();
  await poll();
  expect(log.records.filter(({ level }) => level === "error")).toHaveLength(1);
  await authority.start();
  while (list.freshness() !== undefined) await poll();
  expect(list.refusal(shown("0a"))).toBeDefined();
});

test("a start without cert-authority takes the mirror on the bus, and the list itself when it is back (R17)", async () => {
  const entry = { notAfter: new Date(Date.now() + 1_000).toISOString(), reason: "key leaked" };
  const news: RevocationNews = {
    subscribe: () => ({ close: () => Promise.resolve() }),
    readMirror: () =>
      Promise.resolve([
        { key: "serial.0a", value: Buffer.from(JSON.stringify(entry)) },
        { key: "fp.ff", value: Buffer.from("no JSON") },
        { key: "meta.state", value: Buffer.from("{}") },
      ]),
  };
  const { authority, gauges, list, poll } = await setUp({ news });
  await authority.stop();
  await list.start(forever);
  expect(list.refusal(shown("0a"))).toMatchObject({ reason: "key leaked" });
  expect(list.refusal({ serialNumber: "0b", fingerprintSha256: "ff" })).toBeDefined();
  expect(gauges.get("revocations")?.()).toBe(2);
  authority.revoke({ serialNumber: "0c" });
  await authority.start();
  while (list.refusal(shown("0c")) === undefined) await poll();
  expect(list.refusal(shown("0a"))).toBeDefined();
});

test("a mirror that was never filled is not taken for a list of nobody", async () => {
  const news: RevocationNews = {
    subscribe: () => ({ close: () => Promise.resolve() }),
    readMirror: () => Promise.resolve([{ key: "serial.0a", value: Buffer.from("{}") }]),
  };
  const { authority, clock, list } = await setUp({ news });
  await authority.stop();
  const started = list.start(forever);
  await clock.waitForSleep();
  expect(list.isLoaded).toBe(false);
  await authority.start();
  while (!list.isLoaded) {
    clock.advance(2_000);
    await clock.waitForSleep();
  }
  await started;
});

test("with neither cert-authority nor the bus a start waits, and is over when one of them is there", async () => {
  const news: RevocationNews = {
    subscribe: () => {
      throw new Error("away");
    },
    readMirror: () => Promise.reject(new Error("away")),
  };
  const { authority, clock, list } = await setUp({ news });
  await authority.stop();
  const started = list.start(forever);
  await clock.waitForSleep();
  expect(list.health()).toBe("the revocation list was not read yet");
  await authority.start();
  while (!list.isLoaded) {
    clock.advance(2_000);
    await clock.waitForSleep();
  }
  await started;
});

test("entries are forgotten a day after their certificate has expired", async () => {
  const { authority, clock, gauges, list, poll } = await setUp();
  authority.revoke({ serialNumber: "0a", notAfter: new Date(clock.now().getTime() + 1_000) });
  await list.start(forever);
  await poll();
  expect(gauges.get("revocations")?.()).toBe(1);
  await clock.waitForSleep();
  clock.advance(86_401_000);
  await clock.waitForSleep();
  expect(gauges.get("revocations")?.()).toBe(0);
});

const dayMs = 86_400_000;

test("a clock that was set forward by mistake makes the list forget nobody, also with cert-authority away", async () => {
  const { authority, clock, list, poll } = await setUp();
  const right = clock.now().getTime();
  authority.revoke({ serialNumber: "0a", notAfter: new Date(right + 7 * dayMs) });
  await list.start(forever);
  await authority.stop();
  clock.jumpTo(new Date(right + 40 * dayMs));
  await clock.waitForSleep();
  clock.advance(60_000);
  await poll();
  expect(list.refusal(shown("0a"))).toBeDefined();
  clock.jumpTo(new Date(right + 62_000));
  await poll();
  expect(list.refusal(shown("0a"))).toBeDefined();
});

test("what was forgotten while the clock was wrong for weeks is refused again when it is right", async () => {
  const { authority, clock, gauges, list, poll } = await setUp();
  const right = clock.now().getTime();
  authority.revoke({ serialNumber: "0a", notAfter: new Date(right + 60 * dayMs) });
  await list.start(forever);
  clock.jumpTo(new Date(right + 80 * dayMs));
  await clock.waitForSleep();
  clock.advance(70 * dayMs); // followed at twice the speed of time
  await clock.waitForSleep();
  expect(gauges.get("revocations")?.()).toBe(0);
  const heard: boolean[] = [];
  list.onRevoked(() => void heard.push(list.refusal(shown("0a")) !== undefined));
  clock.jumpTo(new Date(right + 10 * dayMs));
  await poll();
  expect(heard).toEqual([true]);
  expect(authority.requests.at(-1)).toEqual({ afterPosition: 0n, listId: "list-1" });
  await poll();
  expect(authority.requests.at(-1)).toEqual({ afterPosition: 1n, listId: "list-1" });
});

test("100,000 revocations are read in pages and take less than 64 MiB", async () => {
  const hex = (n: number): string => n.toString(16).padStart(32, "0");
  const total = 100_000;
  const { clock } = await setUp();
  const before = process.memoryUsage().heapUsed;
  const list = createRevocationList({
    source: {
      read: ({ afterPosition }) => {
        const from = Number(afterPosition);
        const revocations = Array.from({ length: 1_000 }, (_, index) => ({
          position: BigInt(from + index + 1),
          serialNumber: hex(from + index),
          fingerprintSha256: hex(from + index).repeat(2),
          spiffeId: "",
          fabricId: "",
          revokedAt: undefined,
          notAfter: new Date(Date.now() + 86_400_000),
          reason: ["super", "seded"].join(""),
        }));
        const next = from + revocations.length;
        return Promise.resolve({ revocations, nextPosition: BigInt(next), more: next < total, listId: "list-1" });
      },
    },
    clock,
    random: cryptoRandom,
    logger: createTestLogger().logger,
    metrics: {
      counter: () => ({ add: () => undefined }),
      histogram: () => ({ record: () => undefined }),
      gauge: () => undefined,
    },
  });
  await list.start(forever);
  onTestFinished(() => list.stop(AbortSignal.timeout(1_000)));
  expect(list.refusal(shown(hex(total - 1)))).toMatchObject({ reason: "superseded" });
  expect(process.memoryUsage().heapUsed - before).toBeLessThan(64 * 1024 * 1024);
});
