import { createHash } from "node:crypto";
import type { HttpProxy } from "@drawbridge/egress";
import { DrawbridgeError, type ErrorKind } from "@drawbridge/errors";
import { FakeClock } from "@drawbridge/testkit";
import { expect, test } from "vitest";
import { createAnalyticsAccess } from "./analytics-access.ts";

const hourMs = 3_600_000;
const none = Buffer.alloc(0);
const sha256 = (token: string): Buffer => createHash("sha256").update(token).digest();

/** A control plane whose clock is `skewMs` behind this machine's. */
function aWorld(skewMs = 0, proxy?: HttpProxy) {
  const clock = new FakeClock();
  const given: string[] = [];
  let count = 0;
  const world = {
    clock,
    given,
    failure: undefined as DrawbridgeError | undefined,
    hasTunnel: true,
    unexplainedMs: 0,
    count: () => count,
    fail: (kind: ErrorKind, code: string) => {
      world.failure = new DrawbridgeError({ kind, code, message: code });
    },
  };
  const controlPlaneNow = (): Date => new Date(clock.now().getTime() - skewMs);
  const access = createAnalyticsAccess({
    rule: "allowed",
    insight: "refused",
    session: () =>
      world.hasTunnel
        ? {
            getAnalyticsAccess: async () => {
              if (world.failure) throw world.failure;
              count += 1;
              const expiresAt = new Date(controlPlaneNow().getTime() + hourMs);
              return { token: `token-${count}`, expiresAt, url: "https://analytics.example" };
            },
          }
        : undefined,
    possibleNows: () => [controlPlaneNow(), new Date(controlPlaneNow().getTime() + world.unexplainedMs)],
    proxy,
    onGiven: (url) => given.push(url),
    stopping: new AbortController().signal,
    clock,
  });
  return { world, access };
}

test.each([
  ["right", 0],
  ["two hours ahead", 2 * hourMs],
  ["a day behind", -24 * hourMs],
])(
  "a token is kept until a quarter of its life is left, on a machine whose clock is %s (ANA 1)",
  async (_what, skewMs) => {
    const { world, access } = aWorld(skewMs);
    expect((await access.get(none, "requests")).token).toBe("token-1");
    world.clock.advance(0.75 * hourMs - 1);
    expect((await access.get(none, "requests")).token).toBe("token-1");
    world.clock.advance(1);
    expect((await access.get(none, "requests")).token).toBe("token-2");
    expect(world.given).toHaveLength(3);
  },
);

test("in its last quarter a token serves on while there is no other, and not beyond its end (ANA 1)", async () => {
  const { world, access } = aWorld();
  await access.get(none, "requests");
  world.clock.advance(0.8 * hourMs);
  world.fail("unavailable", "ANALYTICS_ACCESS_UNAVAILABLE");
  expect((await access.get(none, "requests")).token).toBe("token-1");
  world.hasTunnel = false;
  world.clock.advance(0.2 * hourMs - 1);
  expect((await access.get(none, "requests")).token).toBe("token-1");
  world.clock.advance(1);
  await expect(access.get(none, "requests")).rejects.toMatchObject({ code: "TUNNEL_DOWN" });
});

test("a token is forgotten when the control plane says no to another one (ANA 1)", async () => {
  const { world, access } = aWorld();
  await access.get(none, "requests");
  world.clock.advance(0.8 * hourMs);
  world.fail("permission_denied", "AGENT_LOCKED");
  await expect(access.get(none, "requests")).rejects.toMatchObject({ code: "AGENT_LOCKED" });
  world.hasTunnel = false;
  await expect(access.get(none, "requests")).rejects.toMatchObject({ code: "TUNNEL_DOWN" });
});

test("while nobody knows whether the clock was set or the machine slept, a token may have run out (ANA 1)", async () => {
  const { world, access } = aWorld();
  await access.get(none, "requests");
  world.unexplainedMs = 2 * hourMs;
  expect((await access.get(none, "requests")).token).toBe("token-2");
});

test("a token that analytics-ingest refused is replaced, but not one that is only just there (ANA 1)", async () => {
  const { world, access } = aWorld();
  await access.get(none, "requests");
  expect((await access.get(sha256("token-1"), "requests")).token).toBe("token-1");
  world.clock.advance(10_000);
  expect((await access.get(sha256("another"), "requests")).token).toBe("token-1");
  expect((await access.get(sha256("token-1"), "requests")).token).toBe("token-2");
  expect((await access.get(sha256("token-1"), "requests")).token).toBe("token-2");
  expect(world.count()).toBe(2);
});

test("a session that ends before it answers is a tunnel that is down (ANA 1)", async () => {
  const { world, access } = aWorld();
  world.fail("unavailable", "TUNNEL_SESSION_ENDED");
  await expect(access.get(none, "requests")).rejects.toMatchObject({ code: "TUNNEL_DOWN" });
});

test("gateways are told of the proxy that everything goes out through, with its login (ANA 1)", async () => {
  const proxy = { host: "proxy.example", port: 3128 };
  expect((await aWorld(0, proxy).access.get(none, "requests")).proxy).toEqual({ ...proxy, credentials: "" });
  const withLogin = { ...proxy, credentials: "fabric:secret" };
  expect((await aWorld(0, withLogin).access.get(none, "requests")).proxy).toEqual(withLogin);
  expect((await aWorld().access.get(none, "requests")).proxy).toBeUndefined();
});
