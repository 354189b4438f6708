import { expect, test } from "vitest";
import { createSlots } from "./slots.ts";

const never = new AbortController().signal;

test("lets in as many as there are slots, the others in the order in which they came", async () => {
  const slots = createSlots(1);
  const order: string[] = [];
  const release = await slots.acquire(never);
  const second = slots.acquire(never).then((next) => {
    order.push("second");
    next();
  });
  const third = slots.acquire(never).then((next) => {
    order.push("third");
    next();
  });
  expect(order).toEqual([]);
  release();
  await Promise.all([second, third]);
  expect(order).toEqual(["second", "third"]);
});

test("gives the place of one who leaves to the next, and counts a release once", async () => {
  const slots = createSlots(1);
  const release = await slots.acquire(never);
  const leaving = new AbortController();
  const left = slots.acquire(leaving.signal);
  const next = slots.acquire(never);
  leaving.abort(new Error("not any more"));
  await expect(left).rejects.toThrow("not any more");
  release();
  release();
  await next;
  const another = slots.acquire(AbortSignal.abort(new Error("full")));
  await expect(another).rejects.toThrow("full");
});
