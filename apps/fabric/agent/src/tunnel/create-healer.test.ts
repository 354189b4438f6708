import { DrawbridgeError } from "@drawbridge/errors";
import { createTestLogger, FakeClock } from "@drawbridge/testkit";
import { expect, test } from "vitest";
import { createHealer } from "./create-healer.ts";

const minuteMs = 60_000;
const revoked = new DrawbridgeError({ kind: "permission_denied", code: "AGENT_REVOKED", message: "revoked" });

test("a revoked agent asks again within ten minutes, for an operator may have allowed it by then (REN 7)", async () => {
  const clock = new FakeClock();
  let isAllowed = false;
  let asked = 0;
  const heal = createHealer({
    recovery: {
      recover: async () => {
        asked += 1;
        if (!isAllowed) throw revoked;
      },
    },
    lastChoice: () => "current",
    alerts: { raise: () => undefined },
    reload: () => Promise.resolve(),
    clock,
    logger: createTestLogger().logger,
  });
  const attempt = () => heal(revoked, 1, new AbortController().signal);
  expect(await attempt()).toMatchObject({ outcome: "failed" });
  clock.advance(minuteMs);
  expect(await attempt()).toEqual({ outcome: "nothing to do" });
  expect(asked).toBe(1);
  isAllowed = true;
  let minutes = 1;
  for (; minutes < 10 && (await attempt()).outcome !== "healed"; minutes += 1) clock.advance(minuteMs);
  expect(minutes).toBeLessThan(10);
  expect(asked).toBe(2);
});

test("where recovery is away, what people read is still why the tunnel does not open (R21)", async () => {
  const refused = new DrawbridgeError({
    kind: "unavailable",
    code: "TLS_CLIENT_REFUSED",
    message: "refused: compare the clocks",
  });
  const heal = createHealer({
    recovery: {
      recover: () =>
        Promise.reject(
          new DrawbridgeError({
            kind: "unavailable",
            code: "RECOVERY_UNAVAILABLE",
            message: "recovery is not possible right now",
            retryAfterMs: 2_000,
          }),
        ),
    },
    lastChoice: () => "current",
    alerts: { raise: () => undefined },
    reload: () => Promise.resolve(),
    clock: new FakeClock(),
    logger: createTestLogger().logger,
  });
  expect(await heal(refused, 3, new AbortController().signal)).toMatchObject({
    outcome: "failed",
    error: {
      code: "RECOVERY_UNAVAILABLE",
      message: "refused: compare the clocks; recovery is not possible right now",
      retryAfterMs: 2_000,
    },
  });
});
