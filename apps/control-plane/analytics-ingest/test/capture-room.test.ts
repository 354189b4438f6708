import { randomUUID } from "node:crypto";
import { rm } from "node:fs/promises";
import { systemClock, uuidV7Ids } from "@drawbridge/lifecycle";
import { tempDir } from "@drawbridge/testkit";
import { afterAll, beforeAll, expect, test } from "vitest";
import { createExchangeStore, type ExchangeStore } from "../src/insight/exchange-store.ts";
import { writeLosses, type ReceivedExchange, type ReceivedLoss } from "../src/insight/insight-block.ts";
import { openTestAnalyticsStore, type TestAnalyticsStore } from "./support/stored-requests.ts";

const cleanups: (() => PromiseLike<unknown>)[] = [];
const fabricCaptures = 3;
let analytics: TestAnalyticsStore;
let folder: string;

beforeAll(async () => {
  analytics = await openTestAnalyticsStore();
  cleanups.push(() => analytics[Symbol.asyncDispose]());
  const temporary = await tempDir();
  cleanups.push(() => temporary[Symbol.asyncDispose]());
  folder = temporary.path;
}, 60_000);
afterAll(async () => {
  for (const cleanup of cleanups.toReversed()) await cleanup();
});

/** As after a start: nothing is counted yet. */
async function open(): Promise<ExchangeStore> {
  const { store } = analytics;
  const room = { captureBytes: 64 * 1024, fabricBytes: 1024 * 1024 * 1024, fabricCaptures };
  const directory = `${folder}/${randomUUID()}`;
  const exchanges = createExchangeStore({
    store,
    directory,
    retentionDays: 7,
    room,
    clock: systemClock,
    ids: uuidV7Ids,
  });
  await exchanges.start(new AbortController().signal);
  return exchanges;
}

function anExchange(fabricId: string, captureId: string): ReceivedExchange {
  const now = Date.now();
  const of = { environment: "production", captureId, fabricId, exchangeId: randomUUID() };
  return { ...of, atMs: now, receivedAtMs: now, bytes: Buffer.from("an exchange") };
}

function aLoss(fabricId: string, captureId: string): ReceivedLoss {
  const of = { captureId, environments: ["production"], fabricId, batchId: randomUUID() };
  return { ...of, reason: 1, exchanges: 1n, receivedAtMs: Date.now() };
}

test("a fabric with more captures than an answer has rows stops nobody else, also after a restart", async () => {
  const [flooding, quiet] = [randomUUID(), randomUUID()];
  const path = `${folder}/losses.native`;
  const losses = Array.from({ length: 100_001 }, () => aLoss(flooding, randomUUID()));
  await writeLosses(path, losses);
  await analytics.store.insertFile({ table: "insight_losses", path, token: randomUUID() });
  await rm(path, { force: true });
  const exchanges = await open();
  const [known, fresh] = [losses[0]?.captureId ?? "", randomUUID()];
  const [theirs, mine] = await Promise.all([
    exchanges.keep({ exchanges: [anExchange(quiet, fresh)], losses: [] }),
    exchanges.keep({ exchanges: [anExchange(flooding, fresh), anExchange(flooding, known)], losses: [] }),
  ]);
  expect(theirs).toEqual({ accepted: 1, fullCaptures: [] });
  expect(mine).toEqual({ accepted: 1, fullCaptures: [fresh] });
});

test("beyond so many captures of a fabric a new one is full at once, by its losses too; those that are there go on", async () => {
  const fabricId = randomUUID();
  const [first, second, third, fourth, fifth] = Array.from({ length: 5 }, () => randomUUID());
  if (!first || !second || !third || !fourth || !fifth) throw new Error("five were made");
  const exchanges = await open();
  const told = {
    exchanges: [anExchange(fabricId, first), anExchange(fabricId, second)],
    losses: [aLoss(fabricId, third)],
  };
  expect(await exchanges.keep(told)).toEqual({ accepted: 2, fullCaptures: [] });
  const more = {
    exchanges: [anExchange(fabricId, first), anExchange(fabricId, fourth)],
    losses: [aLoss(fabricId, fifth)],
  };
  for (const opened of [exchanges, await open()])
    expect(await opened.keep(more)).toEqual({ accepted: 1, fullCaptures: [fourth, fifth] });
  expect(await exchanges.keep({ exchanges: [anExchange(randomUUID(), fourth)], losses: [] })).toMatchObject({
    accepted: 1,
  });
});
