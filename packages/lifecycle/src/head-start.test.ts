import { expect, test } from "vitest";
import { createHeadStart } from "./head-start.ts";

const forever = new AbortController().signal;

function slowComponent() {
  const ready = Promise.withResolvers<void>();
  const calls: string[] = [];
  const component = {
    name: "bus",
    start: (signal: AbortSignal) => {
      calls.push("start");
      signal.addEventListener("abort", () => ready.reject(signal.reason), { once: true });
      return ready.promise;
    },
    stop: () => Promise.resolve(void calls.push("stop")),
  };
  return { calls, ready, ...createHeadStart(component) };
}

test("begins without waiting, and the rest of the start is over when the component is ready", async () => {
  const { begin, rest, ready, calls } = slowComponent();
  await begin.start(forever);
  expect(calls).toEqual(["start"]);
  let isOver = false;
  const waiting = rest.start(forever).then(() => (isOver = true));
  await Promise.resolve();
  expect(isOver).toBe(false);
  ready.resolve();
  await waiting;
  expect(calls).toEqual(["start"]);
});

test("a component that cannot start fails the start where it is needed", async () => {
  const { begin, rest, ready } = slowComponent();
  await begin.start(forever);
  ready.reject(new Error("too old"));
  await expect(rest.start(forever)).rejects.toThrow("too old");
});

test("a stop ends a start that hangs, and releases the component", async () => {
  const { begin, rest, calls } = slowComponent();
  await begin.start(forever);
  const stopping = new AbortController();
  const waiting = rest.start(stopping.signal);
  stopping.abort(new Error("stopping"));
  await expect(waiting).rejects.toThrow("stopping");
  await begin.stop(forever);
  expect(calls).toEqual(["start", "stop"]);
});
