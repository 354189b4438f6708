import { sql, type ColumnarMigration } from "@drawbridge/columnar";
import { expect, test } from "vitest";
import { aQueuedBatch, fabricId } from "./support/queued-batches.ts";
import { writerInProcess } from "./support/writer-in-process.ts";

const counted = sql`SELECT sequence, sum(weight) AS requests FROM requests GROUP BY sequence ORDER BY sequence`;
const rolledUp = sql`SELECT sum(requests) AS requests FROM api_traffic_15m`;

/** A store that takes no other methods. */
const refusesMethods: ColumnarMigration = {
  name: "9000_refuse",
  statements: ["ALTER TABLE requests MODIFY COLUMN verb Enum8('GET' = 1, 'POST' = 2)"],
};
const takesMethods: ColumnarMigration = {
  name: "9001_take",
  statements: ["ALTER TABLE requests MODIFY COLUMN verb LowCardinality(String)"],
};
/** One whose view of the requests is broken. */
const breaksView: ColumnarMigration = {
  name: "9000_break",
  statements: [
    `CREATE MATERIALIZED VIEW IF NOT EXISTS broken ENGINE = Null AS
      SELECT throwIf(response_bytes = 599, 'broken') AS refused FROM requests`,
  ],
};
const mendsView: ColumnarMigration = { name: "9001_mend", statements: ["DROP VIEW IF EXISTS broken"] };

function batches(count: number, verbOf: (sequence: number) => string = () => "GET") {
  return Array.from({ length: count }, (_, index) => {
    const verb = verbOf(index + 1);
    const responseBytes = verb === "CANARY" ? 599 : 0;
    return aQueuedBatch({ sequence: index + 1, requests: Array.from({ length: 5 }, () => ({ verb, responseBytes })) });
  });
}

test("a batch that nobody can read becomes a dead letter, and those around it are stored (ANA 1)", async () => {
  const world = await writerInProcess();
  const [first, second, third] = batches(3);
  if (first === undefined || second === undefined || third === undefined) throw new Error("three were made");
  await world.publish([first, { ...second, bytes: second.bytes.subarray(0, 40) }, third]);
  await world.emptied();
  expect(await world.rows(counted)).toEqual([
    { sequence: "1", requests: "5" },
    { sequence: "3", requests: "5" },
  ]);
  expect(await world.deadLetters.list({ limit: 10 })).toMatchObject([
    { fabricId, gatewayId: "gateway-0", code: "ANALYTICS_BATCH_INVALID", attempts: 1 },
  ]);
});

test("of many batches the one that the store refuses is found and put aside, and stored when it is replayed (ANA 1)", async () => {
  const world = await writerInProcess({ migrations: [refusesMethods] });
  await world.publish(batches(11, (sequence) => (sequence === 7 ? "CANARY" : "GET")));
  await world.emptied();
  const others = [1, 2, 3, 4, 5, 6, 8, 9, 10, 11].map((sequence) => ({ sequence: String(sequence), requests: "5" }));
  expect(await world.rows(counted)).toEqual(others);
  expect(await world.rows(rolledUp)).toEqual([{ requests: "50" }]);
  const [dead, ...more] = await world.deadLetters.list({ limit: 10 });
  expect(more).toEqual([]);
  expect(dead).toMatchObject({ fabricId, gatewayId: "gateway-0", code: "COLUMNAR_FAILED" });
  expect(dead?.message).toMatch(/ClickHouse \d+/);
  expect(dead?.message, "what the store quotes is not told").not.toContain("CANARY");

  await world.repair(takesMethods);
  expect(await world.deadLetters.replay({ ids: [] })).toBe(1);
  await world.emptied();
  expect(await world.rows(rolledUp)).toEqual([{ requests: "55" }]);
  expect(await world.deadLetters.count()).toBe(0n);
});

test("a block that got into the table but not into a roll-up waits until the roll-up is mended, and counts once (ANA 1)", async () => {
  const world = await writerInProcess({ migrations: [breaksView] });
  await world.publish(batches(4, (sequence) => (sequence === 2 ? "CANARY" : "GET")));
  await expect.poll(() => world.health()).toContain("blocks wait for the store");
  expect(await world.deadLetters.count()).toBe(0n);
  await world.repair(mendsView);
  await world.emptied();
  const all = [1, 2, 3, 4].map((sequence) => ({ sequence: String(sequence), requests: "5" }));
  expect(await world.rows(counted)).toEqual(all);
  expect(await world.rows(rolledUp)).toEqual([{ requests: "20" }]);
  expect(world.health()).toBeUndefined();
});
