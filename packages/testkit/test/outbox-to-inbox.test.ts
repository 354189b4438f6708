import { systemClock } from "@drawbridge/lifecycle";
import { connectBus, createConsumer } from "@drawbridge/bus";
import { consumeOnce, sql } from "@drawbridge/store";
import { createTestLogger, startPrivateTestPostgres, startTestNats } from "@drawbridge/testkit";
import { expect, test } from "vitest";
import { ledgerMigrations } from "./ledger-database.ts";
import { openLedger, relayOf, startAll, until, writeEntry } from "./ledger-fixture.ts";

const schema = { schema: "ledger", migrations: ledgerMigrations };

test("applies every event exactly once while PostgreSQL and NATS are killed and restarted in between", async () => {
  await using postgres = await startPrivateTestPostgres();
  await using nats = await startTestNats();
  await using sender = await postgres.createDatabase(schema);
  await using receiver = await postgres.createDatabase(schema);
  const { logger } = createTestLogger();
  const [source, target] = [openLedger(sender.url), openLedger(receiver.url)];
  const connect = (name: string) => connectBus({ url: nats.url, credentials: nats.credentials, name, logger });
  const [sending, receiving] = [connect("sender"), connect("receiver")];
  const consumer = createConsumer({
    bus: receiving,
    stream: "CONFIG",
    durable: "ledger",
    types: ["config.bundle.stored.v1"],
    clock: systemClock,
    logger,
    handle: async (event) => {
      await target.transaction(async (tx) => {
        if ((await consumeOnce(tx, { consumer: "ledger", eventId: event.id })) === "duplicate") return;
        await sql`
          INSERT INTO ledger VALUES (${event.payload.digest}, 1)
          ON CONFLICT (entry) DO UPDATE SET amount = ledger.amount + 1
        `.execute(tx);
      });
    },
  });
  // Two relays, as with two replicas of a service.
  const second = openLedger(sender.url);
  await using _running = await startAll(
    source,
    second,
    target,
    sending,
    receiving,
    relayOf(source, (event) => sending.publishEvent(event)),
    relayOf(second, (event) => sending.publishEvent(event)),
    consumer,
  );

  const committed = new Set<string>();
  const unsure = new Set<string>(); // the answer to the commit was lost: either is right
  const enough = new AbortController();
  const writing = (async () => {
    for (let n = 0; !enough.signal.aborted; n += 1) {
      const entry = `entry-${String(n).padStart(6, "0")}`;
      await writeEntry(source, entry, `fabric-${n % 5}`).then(
        () => committed.add(entry),
        () => unsure.add(entry),
      );
    }
  })();
  const wroteSince = async (count: number): Promise<void> => {
    const goal = committed.size + count;
    await until(() => committed.size >= goal);
  };

  await wroteSince(100);
  await nats.kill();
  await wroteSince(100);
  await nats.start();
  await wroteSince(100);
  await postgres.kill();
  await postgres.start();
  await wroteSince(100);
  await Promise.all([nats.kill(), postgres.kill()]);
  await Promise.all([nats.start(), postgres.start()]);
  await wroteSince(100);
  enough.abort();
  await writing;

  const count = async (store: typeof target, text: "outbox" | "ledger"): Promise<number> => {
    const query =
      text === "outbox"
        ? sql<{ n: number }>`SELECT count(*)::int AS n FROM outbox`
        : sql<{ n: number }>`SELECT count(*)::int AS n FROM ledger`;
    return query.execute(store.db).then(
      ({ rows }) => rows[0]?.n ?? 0,
      () => -1,
    );
  };
  await until(async () => (await count(source, "outbox")) === 0);
  const written = await count(source, "ledger");
  await until(async () => (await count(target, "ledger")) >= written);

  const entries = await target.db.selectFrom("ledger").selectAll().execute();
  expect(entries.filter((row) => row.amount !== "1")).toEqual([]);
  const names = new Set(entries.map((row) => row.entry));
  expect([...committed].filter((entry) => !names.has(entry))).toEqual([]);
  expect([...names].filter((entry) => !committed.has(entry) && !unsure.has(entry))).toEqual([]);
});
