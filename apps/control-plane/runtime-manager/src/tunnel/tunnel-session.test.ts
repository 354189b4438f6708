import { EventEmitter } from "node:events";
import type { ConnectResponse } from "@drawbridge/contracts/tunnel/v1/tunnel_service";
import { expect, test } from "vitest";
import { agentId, fabricId, sessionId } from "../domain/ids.ts";
import { createSessionRegistry } from "./session-registry.ts";
import { TunnelSession } from "./tunnel-session.ts";

/** The writing end of a call whose buffer is full after `room` frames. */
function aCall(room = Infinity) {
  const written: ConnectResponse[] = [];
  const call = Object.assign(new EventEmitter(), {
    written,
    write: (frame: ConnectResponse) => written.push(frame) < room,
    pause: () => undefined,
    resume: () => undefined,
  });
  return call;
}

function aSession(
  options: {
    readonly call?: ReturnType<typeof aCall>;
    readonly order?: bigint;
    readonly agent?: string;
    readonly boot?: string;
  } = {},
) {
  return new TunnelSession({
    call: options.call ?? aCall(),
    terms: {
      sessionId: sessionId("s"),
      agentId: agentId(options.agent ?? "agent-1"),
      fabricId: fabricId("fabric-1"),
      org: "acme",
      bootId: options.boot ?? `boot-${options.order ?? 1n}`,
      epoch: 1n,
      order: options.order ?? 1n,
      serialNumber: "01",
      certificateNotAfter: new Date(),
      connectionId: "c",
      drainAtMs: 0,
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
    nowMs: 0,
  });
}

const notify = (generation: bigint) => ({ $case: "notify", value: { generation, digest: "" } }) as const;

test("numbers its frames from 1 and acknowledges the highest that it got", () => {
  const call = aCall();
  const session = aSession({ call });
  session.accept({ seq: 7n, ack: 0n, correlationId: "", frame: undefined }, 1);
  session.send(notify(1n));
  session.send(notify(2n));
  expect(call.written.map(({ seq, ack }) => ({ seq, ack }))).toEqual([
    { seq: 1n, ack: 7n },
    { seq: 2n, ack: 7n },
  ]);
});

test("refuses a frame whose number does not grow", () => {
  const session = aSession();
  const frame = { seq: 2n, ack: 0n, correlationId: "", frame: undefined };
  expect([session.accept(frame, 1), session.accept(frame, 2)]).toEqual(["accepted", "out-of-order"]);
});

test("waits for a slow connection and then sends the newest word only", () => {
  const call = aCall(1);
  const session = aSession({ call });
  for (const generation of [1n, 2n, 3n]) session.send(notify(generation), { key: "notify" });
  expect(call.written).toHaveLength(1);
  session.resumeSending();
  expect(call.written.map(({ frame }) => frame)).toEqual([notify(1n), notify(3n)]);
});

test("ends when its queue overflows", async () => {
  const session = aSession({ call: aCall(1) });
  for (let n = 0; n < 1_002; n += 1) session.send(notify(BigInt(n)));
  expect(await session.ended).toEqual({ reason: "overflow" });
});

test("the higher order stays, whichever session arrives last", async () => {
  for (const arrival of [
    [1n, 2n],
    [2n, 1n],
  ]) {
    const registry = createSessionRegistry({ monotonicMs: () => 0 });
    const sessions = arrival.map((order) => aSession({ order }));
    for (const session of sessions) registry.add(session);
    const lower = sessions.find((session) => session.terms.order === 1n);
    expect(registry.get(fabricId("fabric-1"))?.terms.order).toBe(2n);
    expect(await lower?.ended).toEqual({ reason: "kicked", code: "EPOCH_SUPERSEDED" });
  }
});

test("the session of another agent is told that its agent was superseded", async () => {
  const registry = createSessionRegistry({ monotonicMs: () => 0 });
  const [first, second] = [aSession({ order: 1n }), aSession({ order: 2n, agent: "agent-2" })];
  registry.add(first);
  registry.add(second);
  expect(await first.ended).toEqual({ reason: "kicked", code: "AGENT_SUPERSEDED" });
});

test("a late end of a replaced session does not take its successor away", () => {
  const registry = createSessionRegistry({ monotonicMs: () => 0 });
  const [first, second] = [aSession({ order: 1n }), aSession({ order: 2n })];
  registry.add(first);
  registry.add(second);
  registry.remove(first);
  expect(registry.get(fabricId("fabric-1"))).toBe(second);
});
