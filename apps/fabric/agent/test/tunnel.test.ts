import { DrawbridgeError } from "@drawbridge/errors";
import { readFile } from "node:fs/promises";
import { parseTrustBundleJson } from "@drawbridge/pki";
import { createTestCa, type TestCa } from "@drawbridge/testkit";
import { beforeAll, expect, test } from "vitest";
import { aLink } from "./support/a-link.ts";
import { startScriptedRuntimeManager } from "./support/scripted-runtime-manager.ts";
import { supersededMs } from "../src/tunnel/reconnect-policy.ts";
import { agentId, fabricId, openFabric } from "./support/test-fabric.ts";

let ca: TestCa;

beforeAll(async () => {
  ca = await createTestCa();
});

test("says Hello with its identity and a growing epoch, and is welcomed (R11)", async () => {
  await using manager = await startScriptedRuntimeManager({ ca, fabricId });
  await using fabric = await openFabric(ca);
  await fabric.activate({ tunnel: [manager.address] });
  const first = await fabric.startAgent();
  const hello = (await (await manager.session(0)).next("hello")).value;
  expect(hello).toMatchObject({ agentId, protocolMin: 1, protocolMax: 1, observedGeneration: 0n, snapshotDigest: "" });
  expect(hello.cluster).toMatchObject({ driver: "process", nodes: 1, logsAllowed: false });
  await first.status(({ tunnel }) => tunnel.status === "connected");
  await first.stop();

  const second = await fabric.startAgent();
  const again = (await (await manager.session(1)).next("hello")).value;
  expect(again.epoch).toBeGreaterThan(hello.epoch);
  expect(again.bootId).not.toBe(hello.bootId);
  await second.stop();
});

test("gives up a session whose peer says nothing any more, and connects anew (R12, half-open)", async () => {
  await using manager = await startScriptedRuntimeManager({ ca, fabricId });
  manager.welcome = { heartbeatMs: 100, deadAfterMs: 500, reconnectWindowMs: 0 };
  await using fabric = await openFabric(ca);
  await fabric.activate({ tunnel: [manager.address] });
  const agent = await fabric.startAgent();
  const session = await manager.session(0);
  await session.next("heartbeat");
  session.freeze();
  await manager.session(1);
  await session.ended;
  expect(agent.log.withMessage("no tunnel, apps go on")).toMatchObject([{ err: { code: "TUNNEL_DEAD" } }]);
  await agent.status(({ tunnel }) => tunnel.status === "connected");
});

test("connects again after the connection was cut", async () => {
  await using manager = await startScriptedRuntimeManager({ ca, fabricId });
  await using fabric = await openFabric(ca);
  await fabric.activate({ tunnel: [manager.address] });
  await fabric.startAgent();
  await (await manager.session(0)).next("hello");
  manager.cut();
  await (await manager.session(1)).next("hello");
});

test("tries its endpoints in turn", async () => {
  await using away = await startScriptedRuntimeManager({ ca, fabricId });
  const nobody = away.address;
  await away[Symbol.asyncDispose]();
  await using manager = await startScriptedRuntimeManager({ ca, fabricId });
  await using fabric = await openFabric(ca);
  await fabric.activate({ tunnel: [nobody, manager.address] });
  const agent = await fabric.startAgent();
  await manager.session(0);
  const { tunnel } = await agent.status((status) => status.tunnel.status === "connected");
  expect(tunnel.address).toBe(manager.address);
  expect(agent.log.withMessage("no tunnel, apps go on")).toMatchObject([{ err: { code: "DIAL_REFUSED" } }]);
});

test("hands over without a gap when it is drained: the old session ends after the new one was welcomed (R6)", async () => {
  await using manager = await startScriptedRuntimeManager({ ca, fabricId });
  await using fabric = await openFabric(ca);
  await fabric.activate({ tunnel: [manager.address] });
  const agent = await fabric.startAgent();
  const old = await manager.session(0);
  old.send({ $case: "drain", value: { reconnectWithinMs: 1, reason: "rebalance" } });
  await manager.session(1);
  expect((await old.next("goodbye")).value.reason).toBe("handover");
  await old.ended;
  expect(agent.log.withMessage("no tunnel, apps go on")).toEqual([]);
});

test("stays refused, with the reason in words, when the control plane does not want it", async () => {
  await using manager = await startScriptedRuntimeManager({ ca, fabricId });
  manager.refuseNext = new DrawbridgeError({
    kind: "permission_denied",
    code: "AGENT_REVOKED",
    message: "the certificate was revoked",
  });
  await using fabric = await openFabric(ca);
  await fabric.activate({ tunnel: [manager.address] });
  const agent = await fabric.startAgent();
  const { tunnel } = await agent.status((status) => status.tunnel.status === "refused");
  expect(tunnel).toMatchObject({ code: "AGENT_REVOKED", message: expect.stringContaining("--replace") });
  expect(agent.service.health.report()).toMatchObject({ ready: false });
});

test("takes a kick in place of a welcome for the refusal that it names", async () => {
  await using manager = await startScriptedRuntimeManager({ ca, fabricId });
  manager.kickNext = "AGENT_REVOKED";
  await using fabric = await openFabric(ca);
  await fabric.activate({ tunnel: [manager.address] });
  const agent = await fabric.startAgent();
  const { tunnel } = await agent.status((status) => "code" in status.tunnel);
  expect(tunnel).toMatchObject({ status: "refused", code: "AGENT_REVOKED" });
});

test("refuses a server that is not runtime-manager, and says who it is", async () => {
  await using manager = await startScriptedRuntimeManager({ ca, fabricId });
  await using other = await startScriptedRuntimeManager({ ca: await createTestCa(), fabricId });
  await using fabric = await openFabric(ca);
  await fabric.activate({ tunnel: [other.address] });
  const agent = await fabric.startAgent();
  const { tunnel } = await agent.status((status) => status.tunnel.status === "waiting");
  expect(tunnel.code).toBe("SERVER_NOT_TRUSTED");
  expect(other.sessions).toEqual([]);
  expect(manager.sessions).toEqual([]);
});

test("says goodbye when it is stopped", async () => {
  await using manager = await startScriptedRuntimeManager({ ca, fabricId });
  await using fabric = await openFabric(ca);
  await fabric.activate({ tunnel: [manager.address] });
  const agent = await fabric.startAgent();
  const session = await manager.session(0);
  await agent.status(({ tunnel }) => tunnel.status === "connected");
  await agent.stop();
  expect((await session.next("goodbye")).value.reason).toBe("shutdown");
  await session.ended;
});

test("takes over a newer trust bundle that its roots have signed, and refuses any other and one that would lock it out (R8)", async () => {
  await using manager = await startScriptedRuntimeManager({ ca, fabricId });
  manager.welcome = { heartbeatMs: 200, deadAfterMs: 60_000 };
  await using fabric = await openFabric(ca);
  await fabric.activate({ tunnel: [manager.address] });
  const agent = await fabric.startAgent();
  const session = await manager.session(0);
  const other = await createTestCa();
  const offer = (next: { sequence: bigint; rootsDer: readonly Uint8Array[] }, signer?: TestCa): void => {
    const trustBundle = { ...ca.trustBundle, ...next };
    const rootsDer = next.rootsDer.map((der) => Buffer.from(der));
    const succession = signer ? [aLink(signer, trustBundle)] : [];
    session.send({ $case: "trustBundleChanged", value: { sequence: next.sequence, rootsDer, succession } });
  };
  const refused = (sequence: bigint, why: string): Promise<unknown> =>
    agent.status(({ alerts }) =>
      alerts.some(
        ({ reason, message }) =>
          reason === "TrustBundleRefused" && message.includes(String(sequence)) && message.includes(why),
      ),
    );
  const both = [...ca.trustBundle.rootsDer, ...other.trustBundle.rootsDer];

  // Whoever holds runtime-manager's certificate can send what he likes.
  offer({ sequence: 5n, rootsDer: both });
  await refused(5n, "has signed");
  offer({ sequence: 6n, rootsDer: both }, other);
  await refused(6n, "not trusted");
  offer({ sequence: 7n, rootsDer: other.trustBundle.rootsDer }, ca);
  await refused(7n, "lock this agent out");

  offer({ sequence: 8n, rootsDer: both }, ca);
  await session.next("heartbeat", ({ trustBundleSequence }) => trustBundleSequence === 8n);
  await agent.status(({ alerts }) => alerts.length === 0);
  const stored = parseTrustBundleJson(await readFile(fabric.layout.trustBundle, "utf8"));
  expect(stored).toMatchObject({ sequence: 8n, rootsDer: { length: 2 } });
});

test("waits and tells when another process with its identity took the tunnel: two never fight over it (R7)", async () => {
  await using manager = await startScriptedRuntimeManager({ ca, fabricId });
  await using fabric = await openFabric(ca);
  await fabric.activate({ tunnel: [manager.address] });
  const agent = await fabric.startAgent();
  const session = await manager.session(0);
  await agent.status(({ tunnel }) => tunnel.status === "connected");
  const kickedAt = Date.now();
  session.send({ $case: "kick", value: { reason: "EPOCH_SUPERSEDED" } });
  const { tunnel } = await agent.status(({ tunnel }) => tunnel.status === "refused");
  expect(tunnel).toMatchObject({
    code: "EPOCH_SUPERSEDED",
    message: expect.stringContaining("copy of the state folder"),
  });
  expect(new Date(tunnel.retryAt ?? 0).getTime() - kickedAt).toBeGreaterThanOrEqual(supersededMs);
  expect(manager.sessions).toHaveLength(1);
});

test("waits as long as it is told when it asks again after another process took over (R7)", async () => {
  await using manager = await startScriptedRuntimeManager({ ca, fabricId });
  const retryAfterMs = 121_000;
  const told = { kind: "failed_precondition", code: "BOOT_SUPERSEDED", message: "taken over", retryAfterMs } as const;
  manager.refuseNext = new DrawbridgeError(told);
  await using fabric = await openFabric(ca);
  await fabric.activate({ tunnel: [manager.address] });
  const startedAt = Date.now();
  const agent = await fabric.startAgent();
  const { tunnel } = await agent.status((status) => status.tunnel.status === "refused");
  expect(tunnel.code).toBe("BOOT_SUPERSEDED");
  expect(new Date(tunnel.retryAt ?? 0).getTime() - startedAt).toBeGreaterThanOrEqual(retryAfterMs);
});

test("a locked agent goes on, asks again every minute, and says who can lift the lock (R7)", async () => {
  await using manager = await startScriptedRuntimeManager({ ca, fabricId });
  manager.refuseNext = new DrawbridgeError({ kind: "permission_denied", code: "AGENT_LOCKED", message: "locked" });
  await using fabric = await openFabric(ca);
  await fabric.activate({ tunnel: [manager.address] });
  const agent = await fabric.startAgent();
  const { tunnel, alerts } = await agent.status((status) => status.tunnel.status === "refused");
  expect(tunnel).toMatchObject({ code: "AGENT_LOCKED", message: expect.stringContaining("fabric recover") });
  expect(alerts.map(({ reason }) => reason)).toEqual(["AgentLocked"]);
  expect(new Date(tunnel.retryAt ?? 0).getTime() - new Date(tunnel.since).getTime()).toBeLessThan(120_000);
});
