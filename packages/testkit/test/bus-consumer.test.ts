import { connectBus, createConsumer, listDeadLetters, type Bus, type DeadLetter } from "@drawbridge/bus";
import type { EventEnvelope } from "@drawbridge/contracts";
import { DrawbridgeError } from "@drawbridge/errors";
import { systemClock, uuidV7Ids, type Component } from "@drawbridge/lifecycle";
import { consumeOnce } from "@drawbridge/store";
import { createTestLogger, startTestNats, startTestPostgres, type LogRecord, type TestNats } from "@drawbridge/testkit";
import { afterAll, beforeAll, expect, test } from "vitest";
import { ledgerMigrations } from "./ledger-database.ts";
import { openLedger, startAll, until } from "./ledger-fixture.ts";

type BundleStored = EventEnvelope<"config.bundle.stored.v1">;

const { logger, records } = createTestLogger();
let nats: TestNats;
let bus: Bus;

beforeAll(async () => {
  nats = await startTestNats();
  bus = connectBus({ url: nats.url, credentials: nats.credentials, name: "test", logger });
  await bus.start(new AbortController().signal);
});
afterAll(async () => {
  await bus.stop(AbortSignal.timeout(5_000));
  await nats[Symbol.asyncDispose]();
});

/** Tests share the stream: each looks at its own scope, through a durable of its own. */
function consume(name: string, handle: (event: BundleStored, signal: AbortSignal) => Promise<void>): Component {
  return createConsumer({
    bus,
    stream: "CONFIG",
    durable: name,
    types: ["config.bundle.stored.v1"],
    handle: async (event, signal) => (event.scope === name ? handle(event, signal) : undefined),
    logger,
    clock: systemClock,
  });
}

function publish(scope: string, payloadJson: string, id = uuidV7Ids.next()): Promise<void> {
  const type = "config.bundle.stored.v1";
  return bus.publishEvent({ id, type, scope, occurredAt: systemClock.now(), traceparent: "", payloadJson });
}

/** Every durable meets the bad events of the other tests, too. */
async function deadLetterOf(name: string): Promise<DeadLetter | undefined> {
  const subject = `drawbridge.config.bundle.stored.v1.${name}`;
  const letters = await listDeadLetters(bus, 20);
  return letters.find((letter) => letter.consumer === name && letter.originalSubject === subject);
}

const bundle = (digest: string): string => JSON.stringify({ digest, sizeBytes: "1" });

test("delivers what was published before the consumer existed, in order", async () => {
  for (const digest of ["1", "2", "3"]) await publish("early", bundle(digest));
  const seen: string[] = [];
  await using _running = await startAll(
    consume("early", (event) => {
      seen.push(event.payload.digest);
      return Promise.resolve();
    }),
  );
  await until(() => seen.length === 3);
  expect(seen).toEqual(["1", "2", "3"]);
});

test("drops an event that is published twice under one id", async () => {
  const id = uuidV7Ids.next();
  await publish("twice", bundle("same"), id);
  await publish("twice", bundle("same"), id);
  await publish("twice", bundle("last"));
  const seen: string[] = [];
  await using _running = await startAll(
    consume("twice", (event) => {
      seen.push(event.payload.digest);
      return Promise.resolve();
    }),
  );
  await until(() => seen.includes("last"));
  expect(seen).toEqual(["same", "last"]);
});

test("delivers again after a failure that will pass, and the inbox applies the effect once", async () => {
  await using postgres = await startTestPostgres();
  await using database = await postgres.createDatabase({ schema: "ledger", migrations: ledgerMigrations });
  const store = openLedger(database.url);
  const outcomes: string[] = [];
  await using _running = await startAll(
    store,
    consume("again", async (event) => {
      const outcome = await store.transaction(async (tx) => {
        const result = await consumeOnce(tx, { consumer: "again", eventId: event.id });
        if (result === "first") {
          await tx.insertInto("ledger").values({ entry: event.payload.digest, amount: 1n }).execute();
        }
        return result;
      });
      outcomes.push(outcome);
      // The effect is committed, but the acknowledgement does not happen: as if the process had died here.
      if (outcomes.length < 3) throw new DrawbridgeError({ kind: "unavailable", code: "CUT", message: "cut" });
    }),
  );
  await publish("again", bundle("effect"));
  await until(() => outcomes.length === 3);
  expect(outcomes).toEqual(["first", "duplicate", "duplicate"]);
  expect(await store.db.selectFrom("ledger").selectAll().execute()).toEqual([{ entry: "effect", amount: "1" }]);
});

test("moves a malformed event to the dead letters, with the reason, and goes on", async () => {
  const seen: string[] = [];
  await using _running = await startAll(
    consume("malformed", (event) => {
      seen.push(event.payload.digest);
      return Promise.resolve();
    }),
  );
  await publish("malformed", "this is no JSON");
  await publish("malformed", bundle("next"));
  await until(() => seen.length === 1);
  await until(async () => (await deadLetterOf("malformed")) !== undefined);
  const letter = await deadLetterOf("malformed");
  expect(letter).toMatchObject({ reason: "EVENT_MALFORMED", deliveries: 1 });
  expect(Buffer.from(letter?.data ?? []).toString()).toBe("this is no JSON");
});

test("moves an event to the dead letters that the handler refuses for good, and does not deliver it again", async () => {
  let deliveries = 0;
  await using _running = await startAll(
    consume("poison", () => {
      deliveries += 1;
      throw new DrawbridgeError({ kind: "invalid_argument", code: "DEPLOYMENT_UNKNOWN", message: "no such thing" });
    }),
  );
  await publish("poison", bundle("poison"));
  await until(async () => (await deadLetterOf("poison")) !== undefined);
  const letter = await deadLetterOf("poison");
  expect(deliveries).toBe(1);
  expect(letter?.reason).toBe("DEPLOYMENT_UNKNOWN");
  const alerts = (): readonly LogRecord[] =>
    records.filter((record) => record.level === "error" && record["subject"] === letter?.originalSubject);
  await until(() => alerts().length > 0);
  expect(alerts()).toHaveLength(1);
});

test("handles scopes side by side, so that a slow one holds nobody up", async () => {
  const slow = Promise.withResolvers<void>();
  const done: string[] = [];
  const consumer = createConsumer({
    bus,
    stream: "CONFIG",
    durable: "lanes",
    types: ["config.bundle.stored.v1", "config.artefact.refused.v1"],
    handle: async (event) => {
      if (event.scope === "lane-slow") await slow.promise;
      done.push(event.scope);
    },
    logger,
    clock: systemClock,
  });
  await publish("lane-slow", bundle("a"));
  await publish("lane-fast", bundle("b"));
  await using _running = await startAll(consumer);
  await until(() => done.includes("lane-fast"));
  expect(done).not.toContain("lane-slow");
  slow.resolve();
  await until(() => done.includes("lane-slow"));
});

test("finishes the event in work before it stops", async () => {
  const entered = Promise.withResolvers<void>();
  const release = Promise.withResolvers<void>();
  let finished = 0;
  const consumer = consume("stopping", async () => {
    entered.resolve();
    await release.promise;
    finished += 1;
  });
  await consumer.start(new AbortController().signal);
  await publish("stopping", bundle("in work"));
  await entered.promise;
  const stopped = consumer.stop(AbortSignal.timeout(10_000));
  release.resolve();
  await stopped;
  expect(finished).toBe(1);
});
