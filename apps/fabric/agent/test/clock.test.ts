import { systemClock, type Clock } from "@drawbridge/lifecycle";
import { createTestCa, type TestCa } from "@drawbridge/testkit";
import { beforeAll, expect, test } from "vitest";
import { startScriptedRuntimeManager } from "./support/scripted-runtime-manager.ts";
import { bothRenewed, openDueWorld } from "./support/due-world.ts";
import { fabricId, openFabric } from "./support/test-fabric.ts";

let ca: TestCa;

beforeAll(async () => {
  ca = await createTestCa();
});

const hour = 3_600_000;
const day = 24 * hour;

/** A wall clock that can be set, over real time; the comparison of the clocks comes every 100 ms instead of every 15 s. */
function createJumpingClock() {
  let offsetMs = 0;
  const clock: Clock = {
    now: () => new Date(systemClock.now().getTime() + offsetMs),
    monotonicMs: () => systemClock.monotonicMs(),
    sleep: (ms, signal) => systemClock.sleep(ms === 15_000 ? 100 : ms, signal),
  };
  return { clock, jump: (ms: number) => void (offsetMs += ms) };
}

test.for([
  ["+1 h", hour],
  ["-1 h", -hour],
  ["+40 d", 40 * day],
] as const)(
  "the wall clock is set by %s: the tunnel and a good certificate stay, the skew is measured at once (R21)",
  async ([, jumpMs]) => {
    await using manager = await startScriptedRuntimeManager({ ca, fabricId });
    manager.welcome = { heartbeatMs: 60_000, deadAfterMs: 300_000 };
    await using fabric = await openFabric(ca);
    await fabric.activate({ tunnel: [manager.address] });
    const { clock, jump } = createJumpingClock();
    const agent = await fabric.startAgent({ clock });
    const session = await manager.session(0);
    await agent.status(({ tunnel }) => tunnel.status === "connected");
    jump(jumpMs);
    await session.next("heartbeat"); // long before its turn
    const { alerts, clockSkewMs, clockSynced } = await agent.status((status) =>
      status.alerts.some(({ reason }) => reason === "ClockSkew"),
    );
    expect(clockSkewMs).toBeGreaterThan(jumpMs - 5_000);
    expect(clockSkewMs).toBeLessThan(jumpMs + 5_000);
    expect(clockSynced).toBe(false);
    expect(alerts.map(({ reason }) => reason)).not.toContain("CertificateExpiryCritical");
    expect(agent.log.withMessage("no tunnel, apps go on")).toEqual([]);
    // A connection can be opened with it still.
    manager.cut();
    await manager.session(manager.sessions.length);
    await agent.status(({ tunnel }) => tunnel.status === "connected");
  },
);

test("after four days of suspend both certificates are renewed at once (R21)", async () => {
  await using world = await openDueWorld();
  const { manager, fabric } = world;
  const { clock, jump } = createJumpingClock();
  jump(-4.5 * day); // they were issued a moment ago
  manager.now = () => clock.now(); // and time goes by for everybody
  const before = await fabric.serials();
  const agent = await fabric.startAgent({ clock });
  await (await manager.session(0)).next("hello");
  await agent.status(({ tunnel }) => tunnel.status === "connected");
  expect(manager.renewals.requests).toEqual([]);
  jump(4.5 * day);
  await bothRenewed(agent, before);
});

test("the thresholds of the skew are the control plane's (R21)", async () => {
  await using manager = await startScriptedRuntimeManager({ ca, fabricId });
  manager.welcome = { clockSkewWarnSeconds: 7_200, clockSkewFailSeconds: 10_800, heartbeatMs: 200 };
  await using fabric = await openFabric(ca);
  await fabric.activate({ tunnel: [manager.address] });
  const { clock, jump } = createJumpingClock();
  jump(hour);
  const agent = await fabric.startAgent({ clock });
  await (await manager.session(0)).next("heartbeat");
  const { alerts, clockSkewMs } = await agent.status((status) => (status.clockSkewMs ?? 0) > hour / 2);
  expect([alerts, clockSkewMs !== undefined]).toEqual([[], true]);
});
