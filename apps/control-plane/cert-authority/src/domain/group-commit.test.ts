import { expect, test } from "vitest";
import { createGroupCommit } from "./group-commit.ts";

/** A writer whose groups end when the test says so. */
function heldWriter() {
  const groups: { items: readonly string[]; end: (error?: Error) => void }[] = [];
  const write = (items: readonly string[]): Promise<readonly string[]> => {
    const { promise, resolve, reject } = Promise.withResolvers<readonly string[]>();
    groups.push({
      items,
      end: (error) => (error ? reject(error) : resolve(items.map((item) => `durable ${item}`))),
    });
    return promise;
  };
  return { groups, write };
}

const options = { limit: 10, maxGroup: 4, retryAfterMs: 250 };

test("what arrives while a group is written goes together in the next one", async () => {
  const { groups, write } = heldWriter();
  const queue = createGroupCommit({ ...options, write });
  const first = queue.admit().submit("a");
  const others = ["b", "c"].map((item) => queue.admit().submit(item));
  expect(groups.map(({ items }) => items)).toEqual([["a"]]);
  groups[0]?.end();
  expect(await first).toBe("durable a");
  expect(groups.map(({ items }) => items)).toEqual([["a"], ["b", "c"]]);
  groups[1]?.end();
  expect(await Promise.all(others)).toEqual(["durable b", "durable c"]);
});

test("a group has a largest size", async () => {
  const { groups, write } = heldWriter();
  const queue = createGroupCommit({ ...options, write });
  const results = ["a", "b", "c", "d", "e", "f"].map((item) => queue.admit().submit(item));
  groups[0]?.end();
  await results[0];
  expect(groups[1]?.items).toEqual(["b", "c", "d", "e"]);
  groups[1]?.end();
  await results[4];
  groups[2]?.end();
  await Promise.all(results);
});

test("a group goes when it has half of what is in work, and who gives up holds nobody back", async () => {
  const { groups, write } = heldWriter();
  const queue = createGroupCommit({ ...options, maxGroup: 10, write });
  const places = Array.from({ length: 5 }, () => queue.admit());
  const [first, second] = places.slice(0, 2).map((place, n) => place.submit(`item ${n}`));
  expect(groups).toEqual([]); // two of five
  places[2]?.release(); // two of four
  expect(groups.map(({ items }) => items)).toEqual([["item 0", "item 1"]]);
  groups[0]?.end();
  expect(await Promise.all([first, second])).toEqual(["durable item 0", "durable item 1"]);
  expect(queue.pending).toBe(2);
});

test("a lonely one waits for nobody, a full group for nobody either", async () => {
  const { groups, write } = heldWriter();
  const queue = createGroupCommit({ ...options, write });
  const alone = queue.admit().submit("a");
  expect(groups).toHaveLength(1);
  groups[0]?.end();
  await alone;
  const places = Array.from({ length: 9 }, () => queue.admit());
  const results = places.slice(0, options.maxGroup).map((place) => place.submit("b"));
  expect(groups[1]?.items).toHaveLength(options.maxGroup); // four of nine
  groups[1]?.end();
  await Promise.all(results);
});

test("nobody is answered before the group is durable", async () => {
  const { groups, write } = heldWriter();
  const queue = createGroupCommit({ ...options, write });
  let isAnswered = false;
  const result = queue
    .admit()
    .submit("a")
    .then(() => (isAnswered = true));
  await Promise.resolve();
  expect(isAnswered).toBe(false);
  groups[0]?.end();
  await result;
});

test("a failed group fails all its items and no other", async () => {
  const { groups, write } = heldWriter();
  const queue = createGroupCommit({ ...options, write });
  const first = queue.admit().submit("a");
  const second = queue.admit().submit("b");
  groups[0]?.end(new Error("disk"));
  await expect(first).rejects.toThrow("disk");
  groups[1]?.end();
  expect(await second).toBe("durable b");
});

test("refuses above the limit, before any work, and says when to come back (R14)", async () => {
  const { groups, write } = heldWriter();
  const queue = createGroupCommit({ ...options, limit: 2, write });
  const kept = queue.admit();
  const submitted = queue.admit().submit("a");
  expect(() => queue.admit()).toThrow(
    expect.objectContaining({ kind: "unavailable", code: "ISSUE_OVERLOADED", retryAfterMs: 250 }),
  );
  kept.release();
  expect(() => queue.admit().release()).not.toThrow();
  groups[0]?.end();
  await submitted;
  expect(queue.pending).toBe(0);
});

test("a writer that forgets an item fails that item", async () => {
  const queue = createGroupCommit<string, string>({ ...options, write: () => Promise.resolve([]) });
  await expect(queue.admit().submit("a")).rejects.toThrow("without a result");
});
