import { createHash } from "node:crypto";
import { systemClock } from "@drawbridge/lifecycle";
import { isDrawbridgeError } from "@drawbridge/errors";
import { expect, test } from "vitest";
import { sql, type ColumnarStore } from "../src/index.ts";
import { eventsTable, writeEvents } from "./support/events-table.ts";
import { enginePid } from "./support/processes.ts";
import { testStore } from "./support/test-store.ts";

const rowsOfAFile = 15_000;
const kills = 5;

/** As a service does it: the same file under the same token, until it is in. Answers how often it had to. */
async function insertUntilDone(store: ColumnarStore, path: string, token: string): Promise<number> {
  for (let failures = 0; ; failures += 1) {
    try {
      await store.insertFile({ table: "events", path, token });
      return failures;
    } catch (error) {
      if (!isDrawbridgeError(error, "COLUMNAR_UNAVAILABLE")) throw error;
      await systemClock.sleep(20);
    }
  }
}

/** Kills the engine `kills` times at instants that differ from each other, in the middle of what it is doing. */
async function killAgainAndAgain(store: ColumnarStore, directory: string): Promise<void> {
  for (let kill = 0; kill < kills; kill += 1) {
    while (store.health() !== undefined) await systemClock.sleep(5);
    // Between 0 and 127 ms after it is back: an insert takes some ten of them.
    await systemClock.sleep((createHash("sha256").update(String(kill)).digest()[0] ?? 0) / 2);
    process.kill(await enginePid(directory), "SIGKILL");
    while (store.health() === undefined) await systemClock.sleep(1);
  }
}

test("nothing is lost and nothing doubled, in table and view, by an engine that is killed in mid-insert", async () => {
  const { store, directory, spool } = await testStore(eventsTable);
  const killed = new AbortController();
  const killing = killAgainAndAgain(store, directory).finally(() => killed.abort());
  const paths: string[] = [];
  let failures = 0;
  while (!killed.signal.aborted) {
    const file = paths.length;
    paths.push(await writeEvents(spool, `f${String(file)}`, { rows: rowsOfAFile, first: file * rowsOfAFile }));
    failures += await insertUntilDone(store, paths[file] ?? "", `f${String(file)}`);
  }
  await killing;
  await expect.poll(() => store.health()).toBeUndefined();
  // What a service does when it starts: every file that is still there, once more.
  for (const [file, path] of paths.entries()) failures += await insertUntilDone(store, path, `f${String(file)}`);
  expect(failures).toBeGreaterThan(0);

  const rows = paths.length * rowsOfAFile;
  const total = String((rows * (rows - 1)) / 2);
  const read = await store.query({
    sql: sql`SELECT
      (SELECT (count(), sum(n), uniqExact(n)) FROM events) AS raw,
      (SELECT (sum(requests), sum(total)) FROM events_by_api) AS rolled_up`,
    wideIntegers: "string",
  });
  expect(read).toEqual([{ raw: [String(rows), total, String(rows)], rolled_up: [String(rows), total] }]);
});
