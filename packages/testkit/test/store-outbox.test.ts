import { DrawbridgeError } from "@drawbridge/errors";
import { sql } from "@drawbridge/store";
import { createTestLogger, startPrivateTestPostgres, startTestPostgres, type TestPostgres } from "@drawbridge/testkit";
import { afterAll, beforeAll, expect, test } from "vitest";
import { ledgerMigrations } from "./ledger-database.ts";
import { openLedger, relayOf, startAll, until, writeEntry } from "./ledger-fixture.ts";

const schema = { schema: "ledger", migrations: ledgerMigrations };
let postgres: TestPostgres;

beforeAll(async () => {
  postgres = await startTestPostgres();
});
afterAll(async () => postgres[Symbol.asyncDispose]());

function digestOf(event: { readonly payloadJson: string }): string {
  return (JSON.parse(event.payloadJson) as { readonly digest: string }).digest;
}

test("publishes an event after the commit and never without it", async () => {
  await using database = await postgres.createDatabase(schema);
  const store = openLedger(database.url);
  const published: string[] = [];
  await using _running = await startAll(
    store,
    relayOf(store, (event) => Promise.resolve(published.push(digestOf(event)))),
  );
  await expect(
    store.transaction(async (tx) => {
      await sql`INSERT INTO ledger VALUES ('taken', 1)`.execute(tx);
      throw new Error("changed its mind");
    }),
  ).rejects.toThrow("changed its mind");
  await writeEntry(store, "first");
  await expect(writeEntry(store, "first")).rejects.toMatchObject({ code: "STORE_UNIQUE_VIOLATION" });
  await writeEntry(store, "second");
  await until(() => published.length >= 2);
  expect(published).toEqual(["first", "second"]);
});

test("relays each event once, and those of a scope in order, with two relays side by side", async () => {
  await using database = await postgres.createDatabase(schema);
  const stores = [openLedger(database.url), openLedger(database.url)] as const;
  const published: { readonly relay: number; readonly scope: string; readonly digest: string }[] = [];
  const relays = stores.map((store, relay) =>
    relayOf(store, async (event) => {
      await new Promise(setImmediate); // give the other relay its chance to interfere
      published.push({ relay, scope: event.scope, digest: digestOf(event) });
    }),
  );
  await using _running = await startAll(...stores, ...relays);
  const scopes = ["a", "b", "c"];
  const perScope = 60;
  await Promise.all(
    scopes.map(async (scope, index) => {
      for (let n = 0; n < perScope; n += 1) {
        // Both replicas write to the same scope in turn.
        const store = stores[(index + n) % 2 === 0 ? 0 : 1];
        await writeEntry(store, `${scope}-${String(n).padStart(3, "0")}`, scope);
      }
    }),
  );
  await until(() => published.length >= scopes.length * perScope);
  for (const scope of scopes) {
    const digests = published.filter((event) => event.scope === scope).map((event) => event.digest);
    expect(digests).toEqual(digests.toSorted());
    expect(new Set(digests).size).toBe(perScope);
  }
});

test("does not let a second relay overtake an event that the first one is still publishing", async () => {
  await using database = await postgres.createDatabase(schema);
  const [slowStore, otherStore] = [openLedger(database.url), openLedger(database.url)];
  const published: string[] = [];
  const [entered, release] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
  const slow = relayOf(slowStore, async (event) => {
    entered.resolve();
    await release.promise;
    published.push(digestOf(event));
  });
  let passes = 0;
  const counting: typeof otherStore = {
    ...otherStore,
    transaction: (work) => {
      passes += 1;
      return otherStore.transaction(work);
    },
  };
  const other = relayOf(counting, (event) => Promise.resolve(published.push(digestOf(event))));
  await using _first = await startAll(slowStore, otherStore, slow);
  await writeEntry(slowStore, "first");
  await entered.promise;
  await writeEntry(otherStore, "second");
  await using _second = await startAll(other);
  await until(() => passes >= 5);
  expect(published).toEqual([]);
  release.resolve();
  await until(() => published.length === 2);
  expect(published).toEqual(["first", "second"]);
});

test("takes over the events of a replica that is gone", async () => {
  await using database = await postgres.createDatabase(schema);
  const gone = openLedger(database.url);
  await writeEntry(gone, "left behind");
  await gone.stop(AbortSignal.timeout(5_000));
  const store = openLedger(database.url);
  const published: string[] = [];
  await using _running = await startAll(
    store,
    relayOf(store, (event) => Promise.resolve(published.push(digestOf(event)))),
  );
  await until(() => published.length > 0);
  expect(published).toEqual(["left behind"]);
});

test("lets a refused event delay its own scope and no other", async () => {
  await using database = await postgres.createDatabase(schema);
  const store = openLedger(database.url);
  const { logger, withMessage } = createTestLogger();
  const published: string[] = [];
  await using _running = await startAll(
    store,
    relayOf(
      store,
      (event) => {
        if (event.scope === "bad") {
          throw new DrawbridgeError({ kind: "internal", code: "BUS_REFUSED", message: "refused" });
        }
        return Promise.resolve(published.push(digestOf(event)));
      },
      logger,
    ),
  );
  await writeEntry(store, "refused", "bad");
  await writeEntry(store, "fine", "good");
  await until(() => published.length > 0 && withMessage("event is refused by the bus, its scope waits").length > 0);
  expect(published).toEqual(["fine"]);
});

test("logs an outage of the bus once when it begins and once when it ends, and relays everything after it", async () => {
  await using database = await postgres.createDatabase(schema);
  const store = openLedger(database.url);
  const { logger, withMessage } = createTestLogger();
  const published: string[] = [];
  let isAway = true;
  let attempts = 0;
  const relay = relayOf(
    store,
    (event) => {
      attempts += 1;
      if (isAway) throw new DrawbridgeError({ kind: "unavailable", code: "BUS_UNAVAILABLE", message: "away" });
      return Promise.resolve(published.push(digestOf(event)));
    },
    logger,
  );
  await using _running = await startAll(store, relay);
  await writeEntry(store, "one", "a");
  await writeEntry(store, "two", "b");
  await until(() => attempts >= 3);
  expect(relay.health()).toMatch(/not relayed since/);
  isAway = false;
  await until(() => published.length === 2);
  await until(() => relay.health() === undefined);
  expect(withMessage("events cannot be relayed, will retry")).toHaveLength(1);
  expect(withMessage("events are relayed again")).toHaveLength(1);
});

test("survives a killed database: what was committed is relayed, the outage is logged once", async () => {
  await using server = await startPrivateTestPostgres();
  await using database = await server.createDatabase(schema);
  const { logger, withMessage } = createTestLogger();
  const store = openLedger(database.url, logger);
  const published = new Set<string>();
  await using _running = await startAll(
    store,
    relayOf(store, (event) => Promise.resolve(published.add(digestOf(event)))),
  );
  await writeEntry(store, "before");
  await until(() => published.has("before"));
  await server.kill();
  await expect(writeEntry(store, "while it is away")).rejects.toMatchObject({ code: "STORE_UNAVAILABLE" });
  expect(store.health()).toMatch(/has not answered since/);
  await server.start();
  await until(() =>
    writeEntry(store, "after").then(
      () => true,
      () => false,
    ),
  );
  await until(() => published.has("after"));
  expect(store.health()).toBeUndefined();
  expect(withMessage("database does not answer, will retry")).toHaveLength(1);
  expect(withMessage("database answers again")).toHaveLength(1);
});
