import { expect, test } from "vitest";
import { createHelloGate } from "./hello-gate.ts";

function aGate() {
  let nowMs = 0;
  const gate = createHelloGate({ random: { next: () => 0.5 }, clock: { monotonicMs: () => nowMs } });
  return { gate, at: (ms: number) => void (nowMs = ms) };
}

test("an agent that does not say hello within 10 s is given up, at that instant and not before", () => {
  const { gate, at } = aGate();
  const givenUp: string[] = [];
  gate.await(() => givenUp.push("first"));
  at(5_000);
  const arrived = gate.await(() => givenUp.push("second"));
  gate.await(() => givenUp.push("third"));
  gate.expire(9_999);
  expect(givenUp).toEqual([]);
  gate.expire(10_000);
  expect(givenUp).toEqual(["first"]);
  arrived();
  gate.expire(15_000);
  expect(givenUp).toEqual(["first", "third"]);
});

test("the 257th session to be opened at once is told when to come back (R14)", async () => {
  const { gate } = aGate();
  const open = Promise.withResolvers<void>();
  const entered = Array.from({ length: 256 }, () => gate.enter(() => open.promise));
  await expect(gate.enter(() => open.promise)).rejects.toMatchObject({
    code: "TUNNEL_OVERLOADED",
    retryAfterMs: 3_000,
  });
  open.resolve();
  await Promise.all(entered);
  await expect(gate.enter(async () => "in")).resolves.toBe("in");
});

test("a gate that is closed lets nobody in", async () => {
  const { gate } = aGate();
  gate.close();
  await expect(gate.enter(async () => "in")).rejects.toMatchObject({ code: "TUNNEL_OVERLOADED" });
});
