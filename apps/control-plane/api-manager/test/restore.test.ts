import { setTimeout as pause } from "node:timers/promises";
import { sql } from "@drawbridge/store";
import { afterAll, beforeAll, expect, test } from "vitest";
import { aKey, asked, startWorld, type Replica, type World } from "./support/world.ts";

let world: World;

beforeAll(async () => {
  world = await startWorld();
});
afterAll(async () => {
  await world[Symbol.asyncDispose]();
});

async function incarnation(): Promise<string> {
  const row = await world.store.db.selectFrom("incarnation").select("incarnation_id").executeTakeFirstOrThrow();
  return row.incarnation_id;
}

async function anotherThan(before: string): Promise<string> {
  for (;;) {
    const now = await incarnation();
    if (now !== before) return now;
    await pause(20); // ends by the test's own limit
  }
}

const aChange = (replica: Replica, name: string): Promise<unknown> =>
  replica.apis.createApi({ ...asked(), key: aKey(name), description: "", openapi: "", autoApprove: false });

/** As a backup from before the last change has it. */
const restore = (): Promise<unknown> => sql`UPDATE organisation SET edition = edition - 1`.execute(world.store.db);

test("a database that was put back to an earlier state becomes a new incarnation by itself: before anything is served, and while running (GK 3)", async () => {
  const first = await incarnation();
  {
    await using replica = await world.start();
    await aChange(replica, "before-the-restore");
    await aChange(replica, "lost-in-the-restore");
  }
  {
    await using _replica = await world.start();
    expect(await incarnation(), "a start alone changes nothing").toBe(first);
  }
  await restore();
  await using replica = await world.start();
  const second = await incarnation();
  expect(second).not.toBe(first);
  expect(replica.output()).toContain("security: the database was restored");
  await restore();
  expect(await anotherThan(second)).not.toBe(first);
});

test("an older backup after that is noticed too, though its life is one that was known (GK 3)", async () => {
  const row = await world.store.db.selectFrom("incarnation").selectAll().executeTakeFirstOrThrow();
  await using replica = await world.start();
  await restore();
  await anotherThan(row.incarnation_id);
  await world.store.transaction(async (tx) => {
    await sql`UPDATE incarnation SET incarnation_id = ${row.incarnation_id}`.execute(tx);
    // A backup brings the time back too, past the trigger.
    await sql`UPDATE incarnation SET created_at = ${row.created_at}`.execute(tx);
  });
  await anotherThan(row.incarnation_id);
  expect(replica.output().match(/security: the database was restored/g)).toHaveLength(2);
});
