import { DrawbridgeError } from "@drawbridge/errors";
import { createTestCa, createTestLogger, FakeClock, type TestCa } from "@drawbridge/testkit";
import { setImmediate as settled } from "node:timers/promises";
import { beforeAll, expect, test } from "vitest";
import { createAlertBoard } from "../alerts/alert-board.ts";
import { createTrustAdopter } from "../identity/trust-adopter.ts";
import { createEventRouter } from "../tunnel/event-router.ts";
import type { TunnelSession } from "../tunnel/tunnel-session.ts";
import { createDesiredSync } from "./desired-sync.ts";

let ca: TestCa;

beforeAll(async () => {
  ca = await createTestCa();
});

const mark = { generation: 6n, digest: "sha256:wanted" };

function openSync() {
  const clock = new FakeClock(new Date());
  const alerts = createAlertBoard({ clock });
  const { logger } = createTestLogger();
  const sync = createDesiredSync({
    fabricId: "fabric-1",
    store: { load: () => Promise.resolve(undefined), save: () => Promise.resolve() },
    trustBundle: () => ca.trustBundle,
    existingAppIds: () => Promise.resolve(new Set()),
    onAccepted: () => undefined,
    onPropagated: () => undefined,
    alerts,
    clock,
    random: { next: () => 0.999_999 },
    logger,
  });
  return { sync, clock, alerts, logger };
}

/** A session that answers as told, and counts how often it is asked. */
function aSession(answer: TunnelSession["getSnapshot"]) {
  const asked = { times: 0 };
  const session: TunnelSession = {
    address: "127.0.0.1:7420",
    terms: {
      sessionId: "session-1",
      epoch: 1n,
      replica: "runtime-manager-0",
      heartbeatMs: 15_000,
      deadAfterMs: 45_000,
      reconnectWindowMs: 0,
      clockSkew: { warnMs: 60_000, failMs: 300_000 },
      desired: mark,
    },
    openedAtMs: 0,
    send: () => undefined,
    drained: () => Promise.resolve(),
    beat: () => undefined,
    serverChainDer: () => [],
    occupy: () => () => undefined,
    idle: () => Promise.resolve(),
    getApiConfiguration: () => Promise.reject(new Error("not asked for")),
    getApiObjects: () => Promise.reject(new Error("not asked for")),
    reportRoutes: () => Promise.reject(new Error("not asked for")),
    getAnalyticsAccess: () => Promise.reject(new Error("not asked for")),
    getSnapshot: (haveDigest, signal) => {
      asked.times += 1;
      return answer(haveDigest, signal);
    },
    ended: new Promise(() => undefined),
    queued: () => 0,
    leave: () => Promise.resolve(),
  };
  return { session, asked };
}

const sessionEnded = () =>
  new DrawbridgeError({ kind: "unavailable", code: "TUNNEL_SESSION_ENDED", message: "the tunnel session is over" });
const notModified = { notModified: true, generation: 0n, digest: "", snapshotJws: "" };

test("asks the session that took over when the one it asked has ended", async () => {
  const { sync } = openSync();
  const pending = Promise.withResolvers<never>();
  const old = aSession(() => pending.promise);
  const successor = aSession(() => Promise.resolve(notModified));
  sync.announce(mark, old.session);
  sync.announce(mark, successor.session);
  pending.reject(sessionEnded());
  await settled();
  expect([old.asked.times, successor.asked.times]).toEqual([1, 1]);
  await sync.stop();
});

test("waits for the next session when the one it asked has ended and none has taken over", async () => {
  const { sync, clock } = openSync();
  const only = aSession(() => Promise.reject(sessionEnded()));
  sync.announce(mark, only.session);
  await settled();
  expect(only.asked.times).toBe(1);
  expect(clock.sleepingMs).toEqual([]);
  await sync.stop();
});

const untrusted = () =>
  Promise.reject(
    new DrawbridgeError({
      kind: "unauthenticated",
      code: "CERTIFICATE_NOT_TRUSTED",
      message: "another root signed it",
    }),
  );

test("looks at a refused snapshot again after a pause that grows to five minutes, because a cause may pass", async () => {
  const { sync, clock, alerts } = openSync();
  const { session, asked } = aSession(untrusted);
  const pausesMs: number[] = [];
  sync.announce(mark, session);
  await settled();
  for (let sinceMs = 0; pausesMs.length < 7;) {
    const before = asked.times;
    clock.advance(5_000);
    sinceMs += 5_000;
    sync.announce(mark, session);
    await settled();
    if (asked.times === before) continue;
    pausesMs.push(sinceMs);
    sinceMs = 0;
  }
  expect(pausesMs).toEqual([10_000, 20_000, 40_000, 80_000, 160_000, 300_000, 300_000]);
  expect(alerts.list()).toMatchObject([{ reason: "SnapshotRefused" }]);
  await sync.stop();
});

test("looks at a refused snapshot at once when a new trust bundle was adopted (R8)", async () => {
  const { sync, alerts, logger } = openSync();
  const { session, asked } = aSession(untrusted);
  const outcomes = ["not newer", "adopted"] as const;
  let bundles = 0;
  const adoptTrustBundle = createTrustAdopter({
    credentials: { adoptTrustBundle: () => Promise.resolve(outcomes[bundles++] ?? "adopted") },
    onAdopted: () => sync.forgetRefusals(),
    alerts,
    logger,
  });
  const router = createEventRouter({
    desired: sync,
    reporter: { restart: () => undefined, acknowledge: () => undefined },
    skew: { observe: () => undefined, setThresholds: () => undefined },
    logs: { begin: () => undefined, cancel: () => undefined },
    renewal: {
      hear: () => undefined,
      loop: { name: "", start: () => Promise.resolve(), stop: () => Promise.resolve(), wake: () => undefined },
    },
    adoptTrustBundle,
    gateways: { welcomed: () => undefined, announce: () => undefined },
    alerts,
  });
  router.onWelcome(session);
  await settled();
  const asks: number[] = [asked.times];
  for (const sequence of [1n, 2n]) {
    router.onEvent({ event: "trustBundle", sequence, succession: [] }, session);
    await settled();
    asks.push(asked.times);
  }
  expect(asks).toEqual([1, 1, 2]);
  await sync.stop();
});
