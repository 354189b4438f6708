import { cp, readFile } from "node:fs/promises";
import { join } from "node:path";
import { DrawbridgeError } from "@drawbridge/errors";
import { createTrustBundle } from "@drawbridge/pki";
import { createTestCa, type TestCa } from "@drawbridge/testkit";
import { beforeAll, expect, test } from "vitest";
import { runAgentCommand } from "./support/run-command.ts";
import { aLink } from "./support/a-link.ts";
import { startScriptedRecovery } from "./support/scripted-recovery.ts";
import { startScriptedRuntimeManager } from "./support/scripted-runtime-manager.ts";
import { fabricId, openFabric } from "./support/test-fabric.ts";

let ca: TestCa;
const hour = 3_600_000;
const twoDaysAgo = new Date(Date.now() - 48 * hour);
/** Ended yesterday. */
const expired = { now: twoDaysAgo, ttlSeconds: 24 * 3_600 };
const valid = { now: new Date(), ttlSeconds: 7 * 24 * 3_600 };

beforeAll(async () => {
  ca = await createTestCa({ now: twoDaysAgo });
});

const recover = (stateDir: string) => runAgentCommand(["recover", "--state-dir", stateDir]);
const read = (folder: string, path: string) => readFile(join(folder, path), "utf8");

test("an agent whose certificate ended while it was away comes back by itself (REN 7)", async () => {
  await using manager = await startScriptedRuntimeManager({ ca, fabricId });
  await using recovery = await startScriptedRecovery(ca);
  await using fabric = await openFabric(ca);
  await recovery.enrol(fabric, [manager.address], expired);
  const before = await fabric.serials();
  const agent = await fabric.startAgent();
  const { serialNumber } = await manager.session(0);
  await agent.status(({ tunnel }) => tunnel.status === "connected");
  const after = await fabric.serials();
  expect(serialNumber).toBe(after.tunnel);
  expect(after.tunnel).toBe(recovery.identities[0]?.certificate?.serialNumber);
  expect(after.monitoring).toBe(recovery.identities[0]?.monitoringCertificate?.serialNumber);
  expect(recovery.requests[0]).toMatchObject({ certificateSerial: before.tunnel, joinState: "js1.first" });
  expect(await read(fabric.layout.root, "recovery/join-state")).toBe(recovery.identities[0]?.joinState);
  // The identity before is kept.
  expect(await read(fabric.layout.identity, "gen-1/meta.json")).toContain(before.tunnel);
});

test.for([
  ["CERTIFICATE_UNKNOWN", {}],
  ["CERTIFICATE_REVOKED", { reason: "superseded" }],
] as const)("an agent that is refused with %s %j recovers (R17)", async ([code, details]) => {
  await using manager = await startScriptedRuntimeManager({ ca, fabricId });
  await using recovery = await startScriptedRecovery(ca);
  await using fabric = await openFabric(ca);
  await recovery.enrol(fabric, [manager.address], valid);
  const before = await fabric.serials();
  manager.refuse = ({ serialNumber }) =>
    serialNumber === before.tunnel
      ? new DrawbridgeError({ kind: "failed_precondition", code, message: "no", details })
      : undefined;
  const agent = await fabric.startAgent();
  await agent.status(({ tunnel }) => tunnel.status === "connected");
  expect((await fabric.serials()).tunnel).not.toBe(before.tunnel);
  expect(recovery.identities).toHaveLength(1);
});

test("a refusal that only an operator lifts is shown, changes nothing, and is not asked for again at once", async () => {
  await using manager = await startScriptedRuntimeManager({ ca, fabricId });
  await using recovery = await startScriptedRecovery(ca);
  await using fabric = await openFabric(ca);
  await recovery.enrol(fabric, [manager.address], expired);
  const before = await fabric.serials();
  recovery.refusal = new DrawbridgeError({
    kind: "failed_precondition",
    code: "RECOVERY_TOO_LATE",
    message: "an operator has to allow its recovery",
  });
  const agent = await fabric.startAgent();
  const { tunnel } = await agent.status((status) => status.tunnel.code === "RECOVERY_TOO_LATE");
  expect(tunnel.message).toContain("an operator has to allow its recovery");
  expect(new Date(tunnel.retryAt ?? 0).getTime()).toBeGreaterThan(Date.now() + 50_000);
  expect(await fabric.serials()).toEqual(before);
  expect(recovery.requests).toHaveLength(1);
});

const steps = [
  "server-verified",
  "challenged",
  "answered",
  "staged",
  "trust-saved",
  "monitoring-switched",
  "identity-switched",
];

test.for(steps)(
  "killed at %s and tried again: one agent, a usable identity, never a stale join state (R7)",
  async (step) => {
    await using recovery = await startScriptedRecovery(ca);
    await using fabric = await openFabric(ca);
    await recovery.enrol(fabric, ["127.0.0.1:9"], expired);
    const killed = await runAgentCommand([step, fabric.layout.root], {
      program: join(import.meta.dirname, "support/killed-recovery.ts"),
    });
    expect(killed.signal).toBe("SIGKILL");
    const result = await recover(fabric.layout.root);
    expect(result).toMatchObject({ exitCode: 0, out: expect.stringContaining("valid until") });
    const last = recovery.identities.at(-1);
    expect(await fabric.serials()).toEqual({
      tunnel: last?.certificate?.serialNumber,
      monitoring: last?.monitoringCertificate?.serialNumber,
    });
    expect(await read(fabric.layout.root, "recovery/join-state")).toBe(last?.joinState);
  },
);

test("of two copies of a state folder the second one learns that it is locked, and keeps what it has (R7)", async () => {
  await using recovery = await startScriptedRecovery(ca);
  await using fabric = await openFabric(ca);
  await recovery.enrol(fabric, ["127.0.0.1:9"], expired);
  const copy = `${fabric.layout.root}-copy`;
  await cp(fabric.layout.root, copy, { recursive: true, verbatimSymlinks: true });
  expect(await recover(fabric.layout.root)).toMatchObject({ exitCode: 0 });
  const kept = await read(copy, "identity/current/meta.json");
  expect(await recover(copy)).toMatchObject({ exitCode: 4, err: expect.stringContaining("AGENT_LOCKED") });
  expect(await read(copy, "identity/current/meta.json")).toBe(kept);
});

test("an agent that was away for a whole rotation of the root follows the signatures and comes back (REN 6, R8)", async () => {
  const next = await createTestCa({ now: twoDaysAgo });
  const bundle = (sequence: bigint, cas: readonly TestCa[]) =>
    createTrustBundle({
      ...ca.trustBundle,
      sequence,
      rootsDer: cas.flatMap(({ trustBundle }) => trustBundle.rootsDer),
    });
  const [both, last] = [bundle(2n, [ca, next]), bundle(3n, [next])];
  await using recovery = await startScriptedRecovery(next, { trustBundle: last });
  await using fabric = await openFabric(ca);
  await recovery.enrol(fabric, ["127.0.0.1:9"], expired);

  const without = await recover(fabric.layout.root);
  expect(without).toMatchObject({ exitCode: 1, err: expect.stringContaining("SERVER_NOT_TRUSTED") });
  recovery.links = [aLink(next, both), aLink(next, last)];
  const forged = await recover(fabric.layout.root);
  expect(forged).toMatchObject({ exitCode: 4, err: expect.stringContaining("TRUST_SUCCESSION_INVALID") });
  expect(await read(fabric.layout.root, "trust/bundle.json")).toContain('"spiffe_sequence": 1');
  expect(recovery.requests).toHaveLength(0);

  recovery.links = [aLink(ca, both), aLink(next, last)];
  const result = await recover(fabric.layout.root);
  expect(result).toMatchObject({ exitCode: 0, err: expect.stringContaining("trust bundle 3") });
  expect(await read(fabric.layout.root, "trust/bundle.json")).toContain('"spiffe_sequence": 3');
  expect((await fabric.serials()).tunnel).toBe(recovery.identities[0]?.certificate?.serialNumber);
});
