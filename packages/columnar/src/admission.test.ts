import { expect, test } from "vitest";
import { createAdmission } from "./admission.ts";

const anAdmission = () => createAdmission({ what: "queries", concurrent: 1, waiting: 1 });

test("lets in as many as may, then one after another in the order of their coming", async () => {
  const admission = createAdmission({ what: "queries", concurrent: 1, waiting: 2 });
  const order: string[] = [];
  const first = await admission.enter();
  const enter = async (name: string): Promise<void> => {
    const release = await admission.enter();
    order.push(name);
    release();
  };
  const others = [enter("second"), enter("third")];
  expect(admission.waiting).toBe(2);
  first();
  await Promise.all(others);
  expect(order).toEqual(["second", "third"]);
  expect(admission.busy).toBe(0);
});

test("refuses, with a time to come again, when the queue is full", async () => {
  const admission = anAdmission();
  const release = await admission.enter();
  const waiting = admission.enter();
  await expect(admission.enter()).rejects.toMatchObject({
    kind: "resource_exhausted",
    code: "COLUMNAR_OVERLOADED",
    retryAfterMs: 1000,
  });
  release();
  (await waiting)();
});

test("who gives up while he waits leaves the queue", async () => {
  const admission = anAdmission();
  const release = await admission.enter();
  const giveUp = new AbortController();
  const waiting = admission.enter(giveUp.signal);
  giveUp.abort(new Error("enough"));
  await expect(waiting).rejects.toThrow("enough");
  expect(admission.waiting).toBe(0);
  release();
  expect(admission.busy).toBe(0);
});

test("a place is given back once, however often it is released", async () => {
  const admission = createAdmission({ what: "queries", concurrent: 2, waiting: 0 });
  const first = await admission.enter();
  await admission.enter();
  first();
  first();
  expect(admission.busy).toBe(1);
});
