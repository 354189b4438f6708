import fc from "fast-check";
import { expect, test } from "vitest";
import { CounterLedger, highestCount, wordsPerShare, type CounterPart } from "./counter-ledger.ts";
import { createCounterStorage, restoreCounterStorage, seedBytes } from "./counter-storage.ts";
import { openCounters } from "./open-counters.ts";

const start = Date.UTC(2026, 0, 1);
const seed = new Uint8Array(seedBytes).fill(7);
const limit = 1_000;
const windowEndsMs = start + 60_000;

function aGateway(
  own: string,
  { entries = 1_024, nowMs = () => start, saved = undefined as Uint8Array | undefined } = {},
) {
  const storage = (saved && restoreCounterStorage(saved, entries, seed)) ?? createCounterStorage(entries, seed);
  const ledger = new CounterLedger(storage, { own, nowMs, ...(saved && { saved }) });
  const counter = openCounters(storage, nowMs).counter("policy/0");
  return {
    own,
    ledger,
    take: (subject = "client", window = 1) => counter.take(subject, window, limit, windowEndsMs).isAllowed,
    read: (subject = "client", window = 1) => counter.read(subject, window),
    changes: (): CounterPart => ({ origin: own, shares: ledger.changes(entries) }),
    everything: () => [...ledger.everything()],
    save: () => Buffer.concat([new Uint8Array(storage), ledger.bytes()]),
  };
}

type Gateway = ReturnType<typeof aGateway>;

function count(gateway: Gateway, times: number, subject = "client"): void {
  for (let taken = 0; taken < times; taken += 1) gateway.take(subject);
}

function tellAll(from: Gateway, to: Gateway): void {
  for (const part of from.everything()) to.ledger.merge(part);
}

test("what one gateway counted counts for the other, up to the limit of both together (rule 20)", () => {
  const [one, other] = [aGateway("gateway-0"), aGateway("gateway-1")];
  count(one, 700);
  other.ledger.merge(one.changes());
  expect(other.read()).toBe(700);
  count(other, 500);
  expect(other.read()).toBe(limit);
  one.ledger.merge(other.changes());
  expect([one.read(), one.take()]).toEqual([limit, false]);
});

test("only counters that changed are told, and each once", () => {
  const gateway = aGateway("gateway-0");
  count(gateway, 3, "a");
  count(gateway, 3, "b");
  expect(gateway.changes().shares).toHaveLength(2 * wordsPerShare);
  expect(gateway.changes().shares).toHaveLength(0);
  count(gateway, 1, "b");
  expect(gateway.changes().shares).toHaveLength(wordsPerShare);
});

test("what was heard of others is not told as one's own", () => {
  const [one, other] = [aGateway("gateway-0"), aGateway("gateway-1")];
  count(one, 5);
  other.ledger.merge(one.changes());
  expect(other.changes().shares).toHaveLength(0);
  expect(other.everything().map(({ origin }) => origin)).toEqual(["gateway-0"]);
});

test("a large table is looked through in pieces, none of which is left out", () => {
  const gateway = aGateway("gateway-0");
  for (let client = 0; client < 200; client += 1) gateway.take(`client ${client}`);
  let told = 0;
  for (let piece = 0; piece < 1_024 / 64; piece += 1) told += gateway.ledger.changes(64).length / wordsPerShare;
  expect(told).toBe(200);
});

test("parts may come in any order, twice and late: the counts are the same (commutative, idempotent)", () => {
  fc.assert(
    fc.property(
      fc.array(fc.record({ from: fc.nat(2), subject: fc.nat(3), times: fc.integer({ min: 1, max: 20 }) }), {
        maxLength: 12,
      }),
      fc.infiniteStream(fc.nat()),
      (steps, draws) => {
        const senders = [0, 1, 2].map((index) => aGateway(`gateway-${index}`, { entries: 64 }));
        const told: CounterPart[] = [];
        for (const { from, subject, times } of steps) {
          const sender = senders[from];
          if (sender === undefined) continue;
          count(sender, times, `client ${subject}`);
          told.push(sender.changes(), ...sender.everything());
        }
        const inOrder = aGateway("gateway-8", { entries: 64 });
        for (const part of told) inOrder.ledger.merge(part);
        const shuffled = aGateway("gateway-9", { entries: 64 });
        const order = [...told, ...told].map((part) => ({ part, rank: draws.next().value as number })); // endless
        for (const { part } of order.toSorted((left, right) => left.rank - right.rank)) shuffled.ledger.merge(part);
        for (let subject = 0; subject <= 3; subject += 1) {
          const expected = senders.reduce((sum, sender) => sum + sender.read(`client ${subject}`), 0);
          expect(inOrder.read(`client ${subject}`)).toBe(expected);
          expect(shuffled.read(`client ${subject}`)).toBe(expected);
        }
      },
    ),
    { numRuns: 60 },
  );
});

test("while they are connected they pass at most the limit and what was counted since the last exchange", () => {
  fc.assert(
    fc.property(
      fc.array(fc.record({ at: fc.nat(2), tries: fc.integer({ min: 1, max: 200 }), exchange: fc.boolean() }), {
        maxLength: 40,
      }),
      (steps) => {
        const gateways = [0, 1, 2].map((index) => aGateway(`gateway-${index}`, { entries: 64 }));
        const sinceExchange = [0, 0, 0];
        let passed = 0;
        let mostUntold = 0;
        for (const { at, tries, exchange } of steps) {
          for (let one = 0; one < tries; one += 1) {
            if (gateways[at]?.take() !== true) continue;
            passed += 1;
            sinceExchange[at] = (sinceExchange[at] ?? 0) + 1;
          }
          const untold = sinceExchange.filter((_, index) => index !== at).reduce((sum, one) => sum + one, 0);
          mostUntold = Math.max(mostUntold, untold);
          if (!exchange) continue;
          const parts = gateways.map((gateway) => gateway.changes());
          for (const gateway of gateways) {
            for (const part of parts) if (part.origin !== gateway.own) gateway.ledger.merge(part);
          }
          sinceExchange.fill(0);
        }
        expect(passed).toBeLessThanOrEqual(limit + mostUntold);
      },
    ),
  );
});

test("a gateway that was killed has back from the others what it had told them, and counts on", () => {
  const [one, other] = [aGateway("gateway-0"), aGateway("gateway-1")];
  count(one, 40);
  const saved = one.save();
  count(one, 20);
  other.ledger.merge(one.changes());
  count(other, 10);
  const again = aGateway("gateway-0", { saved });
  expect(again.read()).toBe(40);
  tellAll(other, again);
  expect(again.read()).toBe(70);
  count(again, 5);
  other.ledger.merge(again.changes());
  expect([again.read(), other.read()]).toEqual([75, 75]);
});

test("a restart counts neither its own nor the others' counts twice, whoever is there", () => {
  const [one, other] = [aGateway("gateway-0"), aGateway("gateway-1")];
  count(one, 10);
  count(other, 20);
  one.ledger.merge(other.changes());
  other.ledger.merge(one.changes());
  const restarted = [
    aGateway("gateway-0", { saved: one.save() }),
    aGateway("gateway-1", { saved: other.save() }),
  ] as const;
  for (const gateway of restarted) expect(gateway.read()).toBe(30);
  tellAll(restarted[0], restarted[1]);
  tellAll(restarted[1], restarted[0]);
  for (const gateway of restarted) expect(gateway.read()).toBe(30);
});

test("counts of a gateway that is gone are kept and passed on to one that comes", () => {
  const [gone, here, fresh] = [aGateway("gateway-0"), aGateway("gateway-1"), aGateway("gateway-2")];
  count(gone, 12);
  here.ledger.merge(gone.changes());
  count(here, 3);
  const restarted = aGateway("gateway-1", { saved: here.save() });
  tellAll(restarted, fresh);
  expect(fresh.read()).toBe(15);
});

test("an entry that was given away and taken again begins at nothing, and hears the others anew", () => {
  let nowMs = start;
  const [one, other] = [
    aGateway("gateway-0", { entries: 8, nowMs: () => nowMs }),
    aGateway("gateway-1", { entries: 8 }),
  ];
  count(other, 5);
  const part = other.changes();
  one.ledger.merge(part);
  for (let client = 0; client < 20; client += 1) one.take(`client ${client}`);
  expect(one.read()).toBe(0);
  nowMs += 30_000;
  count(one, 1);
  one.ledger.merge(part);
  expect(one.read()).toBe(6);
});

test("counts of others never take the place of one that matters here, and what has no room is counted", () => {
  const [one, other] = [aGateway("gateway-0", { entries: 8 }), aGateway("gateway-1", { entries: 8 })];
  for (let client = 0; client < 8; client += 1) one.take(`here ${client}`);
  for (let client = 0; client < 8; client += 1) other.take(`there ${client}`);
  one.ledger.merge(other.changes());
  for (let client = 0; client < 8; client += 1) expect(one.read(`here ${client}`)).toBe(1);
  expect(one.ledger.leftOut).toBe(8);
});

test("windows that are over, or that no limit has, are not taken over", () => {
  const gateway = aGateway("gateway-0");
  const second = start / 1_000;
  const shares = Int32Array.from([1, 5, second, 9, 1, 6, second + 40 * 86_400, 9]);
  gateway.ledger.merge({ origin: "gateway-1", shares });
  expect(gateway.everything()).toEqual([]);
});

test("what gateways say never overflows a counter", () => {
  const gateway = aGateway("gateway-0");
  count(gateway, 1);
  const [own] = gateway.everything();
  for (let peer = 1; peer <= 4; peer += 1) {
    const shares = Int32Array.from(own?.shares ?? []);
    shares[3] = highestCount;
    gateway.ledger.merge({ origin: `gateway-${peer}`, shares });
  }
  expect(gateway.read()).toBe(2_000_000_000);
  expect(gateway.take()).toBe(false);
});

test("more gateways than a fabric has are left out", () => {
  const [gateway, other] = [aGateway("gateway-0"), aGateway("other")];
  count(other, 1);
  const { shares } = other.changes();
  for (let peer = 0; peer < 40; peer += 1) gateway.ledger.merge({ origin: `peer-${peer}`, shares });
  expect(gateway.read()).toBe(32);
  expect(gateway.ledger.leftOut).toBe(8);
});

test.each<[string, (saved: Buffer) => Buffer]>([
  ["cut off", (saved) => saved.subarray(0, saved.length - 3)],
  ["of other bytes", (saved) => Buffer.concat([saved.subarray(0, -8), Buffer.alloc(8, 0xff)])],
  ["absent", (saved) => saved.subarray(0, saved.length - 4 * 4 - "gateway-1".length - 4 * 1)],
])("what was heard is %s in the file: the counts stay, and hearing them again corrects them", (_damage, harm) => {
  const [one, other] = [aGateway("gateway-0"), aGateway("gateway-1")];
  count(one, 2);
  count(other, 3);
  one.ledger.merge(other.changes());
  const again = aGateway("gateway-0", { saved: harm(one.save()) });
  expect(again.read()).toBe(5);
  tellAll(other, again);
  expect(again.read()).toBe(5);
});
