import type { SessionEnd, RenewAnswer } from "../tunnel/tunnel-events.ts";
import { FakeClock } from "@drawbridge/testkit";
import { expect, test } from "vitest";
import { createRenewCalls } from "./renew-calls.ts";

const request = { requestId: "r-1", purpose: "monitoring", csrDer: new Uint8Array(), currentSerial: "aa" } as const;
const answer: RenewAnswer = {
  correlationId: "r-1",
  certificatesDer: [new Uint8Array([1])],
  trustBundle: undefined,
  errorCode: "",
  errorMessage: "",
  retryAfterMs: 0,
};

function world(send: () => undefined = () => undefined) {
  const clock = new FakeClock();
  const ended = Promise.withResolvers<SessionEnd>();
  const occupants = { count: 0 };
  const session = {
    send,
    ended: ended.promise,
    occupy: () => {
      occupants.count += 1;
      return () => void (occupants.count -= 1);
    },
  };
  const calls = createRenewCalls({ clock });
  const asked = calls.ask(session, request, new AbortController().signal);
  asked.catch(() => undefined); // looked at by the test
  return { clock, calls, asked, ended, occupants };
}

test("a session is occupied until the answer is here, so that a hand-over waits for it (R6)", async () => {
  const { calls, asked, occupants } = world();
  expect(occupants.count).toBe(1);
  calls.answer({ ...answer, correlationId: "another" });
  expect(occupants.count).toBe(1);
  calls.answer(answer);
  await expect(asked).resolves.toEqual(answer);
  expect(occupants.count).toBe(0);
});

test("a refusal keeps its code and how long to wait; one that is no code is not shown", async () => {
  const refusal = { ...answer, certificatesDer: [], errorMessage: "busy", retryAfterMs: 5_000 };
  for (const [errorCode, code] of [
    ["RENEWAL_OVERLOADED", "RENEWAL_OVERLOADED"],
    ["<script>", "RENEWAL_UNAVAILABLE"],
  ] as const) {
    const { calls, asked } = world();
    calls.answer({ ...refusal, errorCode });
    await expect(asked).rejects.toMatchObject({ code, retryAfterMs: 5_000 });
  }
});

test("waits 30 s for an answer, and no longer than the session lives", async () => {
  const late = world();
  await late.clock.waitForSleep();
  late.clock.advance(30_000);
  await expect(late.asked).rejects.toMatchObject({ code: "RENEWAL_TIMEOUT" });
  const cut = world();
  cut.ended.resolve({ end: "dead", silentMs: 1 });
  await expect(cut.asked).rejects.toMatchObject({ code: "TUNNEL_SESSION_ENDED" });
});

test("a frame that could not be sent fails once, also when the session ends later", async () => {
  const full = new Error("the queue is full");
  const unhandled: unknown[] = [];
  const note = (reason: unknown): void => void unhandled.push(reason);
  process.on("unhandledRejection", note);
  try {
    const { asked, ended } = world(() => {
      throw full;
    });
    await expect(asked).rejects.toBe(full);
    ended.resolve({ end: "dead", silentMs: 1 });
    await new Promise((resolve) => setImmediate(resolve));
    expect(unhandled).toEqual([]);
  } finally {
    process.off("unhandledRejection", note);
  }
});
