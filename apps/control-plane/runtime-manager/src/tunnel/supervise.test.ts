import { EventEmitter } from "node:events";
import { FakeClock } from "@drawbridge/testkit";
import { expect, test } from "vitest";
import { agentId, fabricId, sessionId } from "../domain/ids.ts";
import type { SessionRepository } from "../store/sessions.ts";
import { createConnections } from "./connections.ts";
import { createSessionRegistry } from "./session-registry.ts";
import { defaultTunnelSettings } from "./settings.ts";
import { createSupervisor } from "./supervise.ts";
import { TunnelSession } from "./tunnel-session.ts";

function aWorld(markSeen: SessionRepository["markSeen"] = () => Promise.resolve()) {
  const clock = new FakeClock();
  const registry = createSessionRegistry(clock);
  const supervisor = createSupervisor({
    registry,
    connections: createConnections(clock),
    gate: { expire: () => undefined },
    sessions: {
      markSeen,
      judge: () => Promise.resolve([]),
      lockedAt: () => Promise.resolve([]),
    },
    logs: { cutStalled: () => undefined },
    settings: { ...defaultTunnelSettings, replica: "replica-a", deadAfterMs: 100_000_000 },
    clock,
    random: { next: () => 0.5 },
  });
  let order = 0n;
  const aSession = (bootId: string, lifeMs = 1_000_000, agent = "agent-1"): TunnelSession => {
    order += 1n;
    return new TunnelSession({
      call: Object.assign(new EventEmitter(), { write: () => true, pause: () => undefined, resume: () => undefined }),
      terms: {
        sessionId: sessionId(`s-${order}`),
        agentId: agentId(agent),
        fabricId: fabricId(`fabric-of-${agent}`),
        org: "acme",
        bootId,
        epoch: order,
        order,
        serialNumber: "01",
        certificateNotAfter: new Date(clock.now().getTime() + lifeMs),
        connectionId: "c",
        drainAtMs: Infinity,
      },
      report: {
        observedGeneration: 0n,
        snapshotDigest: "",
        trustBundleSequence: 0n,
        clockSkewMs: 0,
        alerts: [],
        certificates: [],
      },
      logsAllowed: false,
      receivedSeq: 1n,
      nowMs: clock.monotonicMs(),
    });
  };
  return { clock, registry, supervisor, aSession };
}

test("a tunnel ends with its certificate, on the instant, and the agent is told why (R9)", async () => {
  const { clock, registry, supervisor, aSession } = aWorld();
  const session = aSession("boot", 5_000);
  registry.add(session);
  clock.advance(4_999);
  supervisor.tick();
  expect(session.isOver).toBe(false);
  clock.advance(1);
  supervisor.tick();
  expect(await session.ended).toEqual({ reason: "kicked", code: "CERTIFICATE_EXPIRED" });
});

test("a tunnel that its own process has replaced lives on for a while, then ends (R6)", async () => {
  const { clock, registry, supervisor, aSession } = aWorld();
  const [first, second] = [aSession("boot"), aSession("boot")];
  registry.add(first);
  registry.add(second);
  clock.advance(39_000);
  supervisor.tick();
  expect([first.isOver, second.isOver, registry.size]).toEqual([false, false, 1]);
  clock.advance(1_000);
  supervisor.tick();
  expect(await first.ended).toEqual({ reason: "kicked", code: "EPOCH_SUPERSEDED" });
  expect(second.isOver).toBe(false);
});

test("a tunnel that another process has replaced ends at once, also one that was retiring", async () => {
  const { registry, aSession } = aWorld();
  const [first, second, third] = [aSession("boot-1"), aSession("boot-1"), aSession("boot-2")];
  for (const session of [first, second, third]) registry.add(session);
  expect(await second.ended).toEqual({ reason: "kicked", code: "EPOCH_SUPERSEDED" });
  expect(await first.ended).toEqual({ reason: "kicked", code: "EPOCH_SUPERSEDED" });
  expect(registry.ofFabric(fabricId("fabric-of-agent-1")).map(({ terms }) => terms.bootId)).toEqual(["boot-2"]);
});

test("one agent whose word cannot be stored keeps no other of its batch from being seen", async () => {
  const stored: string[] = [];
  const { registry, supervisor, aSession } = aWorld(async (seen) => {
    if (seen.some((one) => one.agentId === "agent-3")) throw new Error("out of range");
    stored.push(...seen.map((one) => one.agentId));
  });
  const names = Array.from({ length: 9 }, (_, n) => `agent-${n}`);
  for (const name of names) {
    const session = aSession("boot", 1_000_000, name);
    session.isSeenDirty = true;
    registry.add(session);
  }
  await expect(supervisor.flushSeen()).rejects.toThrow("out of range");
  expect(stored.toSorted()).toEqual(names.filter((name) => name !== "agent-3"));
});
