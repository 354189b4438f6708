import { openStore, sql } from "@drawbridge/store";
import { createTestLogger, startTestPostgres } from "@drawbridge/testkit";
import { expect, test } from "vitest";
import { ledgerMigrations, type LedgerDatabase } from "./ledger-database.ts";

test("gives every test a database of its own with the migrations applied", async () => {
  await using postgres = await startTestPostgres();
  const options = { schema: "ledger", migrations: ledgerMigrations };
  const [first, second] = await Promise.all([postgres.createDatabase(options), postgres.createDatabase(options)]);
  const open = (url: string) => openStore<LedgerDatabase>({ url, schema: "ledger", logger: createTestLogger().logger });
  const [one, two] = [open(first.url), open(second.url)];
  await one.db.insertInto("ledger").values({ entry: "only in one", amount: 1n }).execute();
  expect(await one.db.selectFrom("ledger").select("entry").execute()).toEqual([{ entry: "only in one" }]);
  expect(await two.db.selectFrom("ledger").select("entry").execute()).toEqual([]);
  await Promise.all([one.stop(AbortSignal.timeout(5_000)), two.stop(AbortSignal.timeout(5_000))]);
  await Promise.all([first[Symbol.asyncDispose](), second[Symbol.asyncDispose]()]);
});

test("lets the role of a service touch its own schema only", async () => {
  await using postgres = await startTestPostgres();
  await using database = await postgres.createDatabase({ schema: "ledger", migrations: ledgerMigrations });
  const store = openStore<LedgerDatabase>({ url: database.url, schema: "ledger", logger: createTestLogger().logger });
  const admin = openStore({ url: database.adminUrl, schema: "other", logger: createTestLogger().logger });
  await sql`CREATE SCHEMA other CREATE TABLE secret (id int)`.execute(admin.db);
  await expect(sql`SELECT * FROM other.secret`.execute(store.db)).rejects.toMatchObject({ code: "STORE_FAILED" });
  await expect(sql`CREATE TABLE public.mine (id int)`.execute(store.db)).rejects.toMatchObject({
    code: "STORE_FAILED",
  });
  await expect(sql`CREATE SCHEMA mine`.execute(store.db)).rejects.toMatchObject({ code: "STORE_FAILED" });
  await Promise.all([store.stop(AbortSignal.timeout(5_000)), admin.stop(AbortSignal.timeout(5_000))]);
});
