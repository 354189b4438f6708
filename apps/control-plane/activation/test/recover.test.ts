import { join } from "node:path";
import type { EventEnvelope } from "@drawbridge/contracts";
import { CertificateAuthorityServiceClient } from "@drawbridge/contracts/certs/v1/certificate_authority_service";
import { LockReason } from "@drawbridge/contracts/runtime/v1/agent_service";
import { IdentityHolder, loadIdentityDir } from "@drawbridge/pki";
import { createGrpcClient } from "@drawbridge/rpc";
import { createTestLogger } from "@drawbridge/testkit";
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import {
  anActivation,
  aTokenRequest,
  startEnvironment,
  tapEvents,
  type Environment,
  type EventTap,
  type RunningService,
} from "./harness.ts";
import { startStandInRuntimeManager, type StandInRuntimeManager } from "./stand-in-runtime-manager.ts";
import { anActivatedAgent, answerTo, diskAfter, nextKeys, recover, type AgentDisk } from "./test-agent.ts";

let environment: Environment;
let runtimeManager: StandInRuntimeManager;
let service: RunningService;
let tap: EventTap;

beforeAll(async () => {
  environment = await startEnvironment();
  runtimeManager = await startStandInRuntimeManager(environment.certAuthority.identitiesDir);
  service = await environment.startService({ config: { RUNTIME_MANAGER_ADDRESS: runtimeManager.address } });
  tap = await tapEvents(environment.bus);
}, 180_000);

afterAll(async () => {
  await tap?.[Symbol.asyncDispose]();
  await service?.[Symbol.asyncDispose]();
  await runtimeManager?.[Symbol.asyncDispose]();
  await environment?.[Symbol.asyncDispose]();
}, 60_000);

beforeEach(() => {
  runtimeManager.isAway = false;
});

const eventsOf = (type: EventEnvelope["type"], agentId: string) => (event: EventEnvelope) =>
  event.type === type && "agentId" in event.payload && event.payload.agentId === agentId;

/** cert-authority as another service calls it. */
async function authorityAs<T>(
  caller: "runtime-manager" | "management-api",
  use: (call: ReturnType<typeof authorityClient>["call"]) => Promise<T>,
): Promise<T> {
  const dir = join(environment.certAuthority.identitiesDir, caller);
  const client = authorityClient(new IdentityHolder(await loadIdentityDir(dir, new Date())));
  try {
    return await use(client.call);
  } finally {
    await client.stop(AbortSignal.timeout(1_000));
  }
}

function authorityClient(identity: IdentityHolder) {
  return createGrpcClient(CertificateAuthorityServiceClient, {
    address: environment.certAuthority.address,
    identity,
    expectedServer: "/cp/cert-authority",
    logger: createTestLogger().logger,
  });
}

const revoke = (serialNumber: string, reason: string) =>
  authorityAs("management-api", (call) =>
    call.revokeCertificates({ target: { $case: "serialNumber", value: serialNumber }, reason }),
  );
const firstUse = (serialNumber: string) =>
  authorityAs("runtime-manager", (call) => call.activateCertificate({ serialNumber }));

/** An agent that runtime-manager knows and whose certificate is of no use any more. */
async function anAgentThatWasAway(): Promise<AgentDisk> {
  const disk = await anActivatedAgent(service);
  runtimeManager.standings.set(disk.agentId, {});
  await firstUse(disk.certificateSerial);
  await environment.supersede(disk.certificateSerial);
  return disk;
}

test("an agent whose certificate is no longer accepted gets two new ones and the next join state (REN 7)", async () => {
  const disk = await anAgentThatWasAway();
  const { identity } = await recover(service, disk);
  expect(identity).toMatchObject({
    agentId: disk.agentId,
    fabricId: disk.fabricId,
    fabricName: "edge-1",
    replayed: false,
    endpoints: { tunnel: ["127.0.0.1:7420"], activation: ["127.0.0.1:7410"] },
  });
  expect(identity?.joinState).toMatch(/^js1\./);
  expect(identity?.joinState).not.toBe(disk.joinState);
  expect(identity?.certificate?.serialNumber).not.toBe(disk.certificateSerial);
  expect(identity?.monitoringCertificate?.certificatesDer.length).toBeGreaterThan(1);
  const [event] = await tap.until(1, eventsOf("activation.recovery.completed.v1", disk.agentId));
  expect(event?.payload).toMatchObject({ certificateSerial: identity?.certificate?.serialNumber, allowedBy: "" });
  const { state } = await service.recoveryAdmin.getRecoveryState({ agentId: disk.agentId });
  expect(state).toMatchObject({ recentRecoveries: 1, joinSequence: 2n, lastRefusal: "" });
});

test("fifty completions of one challenge at once give one identity (R7)", async () => {
  const disk = await anAgentThatWasAway();
  const challenge = await service.recovery.beginRecovery({ agentId: disk.agentId });
  const keys = await nextKeys();
  const answers = await Promise.all(
    Array.from({ length: 50 }, () => service.recovery.completeRecovery(answerTo(challenge, disk, keys))),
  );
  const identities = new Set(
    answers.map(({ identity }) =>
      JSON.stringify([
        identity?.certificate?.serialNumber,
        identity?.monitoringCertificate?.serialNumber,
        identity?.joinState,
      ]),
    ),
  );
  expect(identities.size).toBe(1);
  await tap.until(1, eventsOf("activation.recovery.completed.v1", disk.agentId));
  expect(tap.events.filter(eventsOf("activation.recovery.completed.v1", disk.agentId))).toHaveLength(1);
});

test("a challenge is answered once: with other keys it is refused as if it had never been", async () => {
  const disk = await anAgentThatWasAway();
  const challenge = await service.recovery.beginRecovery({ agentId: disk.agentId });
  await service.recovery.completeRecovery(answerTo(challenge, disk, await nextKeys()));
  await expect(service.recovery.completeRecovery(answerTo(challenge, disk, await nextKeys()))).rejects.toMatchObject({
    kind: "unauthenticated",
    code: "RECOVERY_REFUSED",
  });
});

test("an answer that got lost is repeated for the same keys, also for a new challenge, and counts once", async () => {
  const disk = await anAgentThatWasAway();
  const keys = await nextKeys();
  const first = await recover(service, disk, keys);
  const second = await recover(service, disk, keys);
  expect(second.identity?.replayed).toBe(true);
  expect(second.identity?.certificate?.serialNumber).toBe(first.identity?.certificate?.serialNumber);
  expect(second.identity?.joinState).toBe(first.identity?.joinState);
  const { state } = await service.recoveryAdmin.getRecoveryState({ agentId: disk.agentId });
  expect(state).toMatchObject({ recentRecoveries: 1, joinSequence: 2n });
});

test("a replayed activation gives the same join state", async () => {
  const { secretToken } = await service.tokens.createActivationToken(aTokenRequest());
  const activation = await anActivation(secretToken);
  const [first, second] = [await service.activate(activation), await service.activate(activation)];
  expect(second.replayed).toBe(true);
  expect(second.joinState).toBe(first.joinState);
  expect(first.joinState).toMatch(/^js1\./);
});

test.each([
  { what: "a signature by another key", alter: { signature: Buffer.from("3006020101020101", "hex") } },
  { what: "bytes that are no signature", alter: { signature: Buffer.from("nonsense") } },
  { what: "a CSR that was exchanged", alter: "csr" as const },
  { what: "another certificate's serial number", alter: { certificateSerial: "ab" } },
  { what: "another join state", alter: { joinState: "" } },
  { what: "another challenge's id", alter: { challengeId: "01890000-0000-8000-8000-000000000000" } },
])("refuses $what and says no more than for an agent that does not exist", async ({ alter }) => {
  const disk = await anAgentThatWasAway();
  const challenge = await service.recovery.beginRecovery({ agentId: disk.agentId });
  const changed = alter === "csr" ? { csrDer: (await nextKeys()).csrDer } : alter;
  const request = answerTo(challenge, disk, await nextKeys(), changed);
  const refusal = await service.recovery.completeRecovery(request).catch((error: unknown) => error);
  const nobody = { ...disk, agentId: crypto.randomUUID() };
  const nobodys = await service.recovery.beginRecovery({ agentId: nobody.agentId });
  expect(Object.keys(nobodys).toSorted()).toEqual(Object.keys(challenge).toSorted());
  expect(nobodys.nonce).toHaveLength(challenge.nonce.length);
  const unknown = await service.recovery
    .completeRecovery(answerTo(nobodys, nobody, await nextKeys()))
    .catch((error: unknown) => error);
  expect(refusal).toMatchObject({ kind: "unauthenticated", code: "RECOVERY_REFUSED" });
  expect(unknown).toEqual(refusal);
});

test("an answer to another agent's challenge is refused", async () => {
  const [mine, other] = [await anAgentThatWasAway(), await anAgentThatWasAway()];
  const challenge = await service.recovery.beginRecovery({ agentId: other.agentId });
  await expect(service.recovery.completeRecovery(answerTo(challenge, mine, await nextKeys()))).rejects.toMatchObject({
    code: "RECOVERY_REFUSED",
  });
});

test.each([
  { what: "a deleted fabric", standing: { fabricDeleted: true }, code: "FABRIC_DELETED" },
  { what: "an agent that was replaced", standing: { replaced: true }, code: "AGENT_REPLACED" },
])("refuses $what: $code", async ({ standing, code }) => {
  const disk = await anAgentThatWasAway();
  runtimeManager.standings.set(disk.agentId, standing);
  await expect(recover(service, disk)).rejects.toMatchObject({ kind: "permission_denied", code });
});

test("an enrolment is of no use once a later agent was activated for its fabric, known to runtime-manager or not", async () => {
  const forgotten = await anActivatedAgent(service);
  const later = await anActivatedAgent(service, { fabricId: forgotten.fabricId });
  await environment.supersede(forgotten.certificateSerial);
  await environment.supersede(later.certificateSerial);
  const allow = { agentId: forgotten.agentId, requestedBy: "alice", acceptAnyJoinState: true };
  await service.recoveryAdmin.allowRecovery(allow);
  await expect(recover(service, forgotten)).rejects.toMatchObject({ code: "AGENT_REPLACED" });
  expect((await recover(service, later)).identity?.agentId).toBe(later.agentId);
});

test("an agent that has used a certificate does not come back by naming none", async () => {
  const disk = { ...(await anAgentThatWasAway()), certificateSerial: "" };
  await expect(recover(service, disk)).rejects.toMatchObject({ code: "RECOVERY_MANUAL_ONLY" });
  const allow = { agentId: disk.agentId, requestedBy: "alice", acceptAnyJoinState: false };
  await service.recoveryAdmin.allowRecovery(allow);
  expect((await recover(service, disk)).identity?.agentId).toBe(disk.agentId);
});

test("both copies stay locked although runtime-manager does not know the agent, until an operator looks", async () => {
  const original = await anActivatedAgent(service);
  await environment.supersede(original.certificateSerial);
  const recovered = diskAfter((await recover(service, original)).identity, original.recoveryKey);
  await environment.supersede(recovered.certificateSerial);
  await expect(recover(service, original)).rejects.toMatchObject({ code: "AGENT_LOCKED" });
  await expect(recover(service, recovered)).rejects.toMatchObject({ code: "AGENT_LOCKED" });
  expect(runtimeManager.locks.has(original.agentId)).toBe(false);
  runtimeManager.standings.set(original.agentId, {});
  await expect(recover(service, recovered)).rejects.toMatchObject({ code: "AGENT_LOCKED" });
  expect(runtimeManager.locks.has(original.agentId)).toBe(true);
  const allow = { agentId: original.agentId, requestedBy: "alice", acceptAnyJoinState: false };
  await service.recoveryAdmin.allowRecovery(allow);
  expect((await recover(service, recovered)).identity?.agentId).toBe(original.agentId);
});

test("an operator's revocation takes back what was allowed before it", async () => {
  const disk = await anAgentThatWasAway();
  const allow = { agentId: disk.agentId, requestedBy: "alice", acceptAnyJoinState: true };
  const next = diskAfter((await recover(service, disk)).identity, disk.recoveryKey);
  await service.recoveryAdmin.allowRecovery(allow);
  await revoke(next.certificateSerial, "laptop was stolen");
  await expect(recover(service, next)).rejects.toMatchObject({ code: "AGENT_REVOKED" });
  await service.recoveryAdmin.allowRecovery(allow);
  expect((await recover(service, next)).identity?.agentId).toBe(disk.agentId);
});

test("an allowance that was taken back lets nobody in, also where nothing was revoked after it", async () => {
  const disk = await anAgentThatWasAway();
  const next = diskAfter((await recover(service, disk)).identity, disk.recoveryKey);
  await revoke(next.certificateSerial, "revoked by mistake");
  const allow = { agentId: disk.agentId, requestedBy: "alice", acceptAnyJoinState: false };
  await service.recoveryAdmin.allowRecovery(allow);
  const { state } = await service.recoveryAdmin.withdrawAllowance({ agentId: disk.agentId, requestedBy: "alice" });
  expect(state?.allowedUntil).toBeUndefined();
  await expect(recover(service, next)).rejects.toMatchObject({ code: "AGENT_REVOKED" });
  const nobody = { agentId: crypto.randomUUID(), requestedBy: "alice" };
  await expect(service.recoveryAdmin.withdrawAllowance(nobody)).rejects.toMatchObject({ code: "AGENT_UNKNOWN" });
});

test("of two copies of a disk the second to recover is locked, and with it the first (R7)", async () => {
  const original = await anAgentThatWasAway();
  const copy = { ...original };
  const { identity } = await recover(service, original);
  const recovered = diskAfter(identity, original.recoveryKey);
  await firstUse(recovered.certificateSerial);
  await expect(recover(service, copy)).rejects.toMatchObject({ kind: "permission_denied", code: "AGENT_LOCKED" });
  expect(runtimeManager.locks.get(original.agentId)).toMatchObject({
    reason: LockReason.LOCK_REASON_STALE_JOIN_STATE,
  });
  await expect(recover(service, recovered)).rejects.toMatchObject({ code: "AGENT_LOCKED" });
  const refused = await tap.until(2, eventsOf("activation.recovery.refused.v1", original.agentId));
  expect(refused.every(({ payload }) => "errorCode" in payload && payload.errorCode === "AGENT_LOCKED")).toBe(true);
  const { state } = await service.recoveryAdmin.getRecoveryState({ agentId: original.agentId });
  expect(state?.lastRefusal).toBe("AGENT_LOCKED");
});

test("two copies that recover at the same instant: one gets an identity, the other locks the agent", async () => {
  const disk = await anAgentThatWasAway();
  const outcomes = await Promise.allSettled([recover(service, disk), recover(service, { ...disk })]);
  expect(outcomes.filter(({ status }) => status === "fulfilled")).toHaveLength(1);
  expect(runtimeManager.locks.has(disk.agentId)).toBe(true);
});

test("a disk from before the last renewal is locked although its join state is the current one", async () => {
  const older = await anActivatedAgent(service);
  runtimeManager.standings.set(older.agentId, {});
  const keys = await nextKeys();
  const renewed = await authorityAs("runtime-manager", (call) =>
    call.issueFabricCertificate({
      requestId: crypto.randomUUID(),
      csrDer: keys.csrDer,
      profile: 1,
      org: "acme",
      fabricId: older.fabricId,
      subjectId: older.agentId,
    }),
  );
  await firstUse(renewed.certificate?.serialNumber ?? "");
  await expect(recover(service, older)).rejects.toMatchObject({ code: "AGENT_LOCKED" });
  expect(runtimeManager.locks.has(older.agentId)).toBe(true);
});

test("an operator lifts the lock and accepts the disk that is left, once", async () => {
  const original = await anAgentThatWasAway();
  await recover(service, original);
  await expect(recover(service, original)).rejects.toMatchObject({ code: "AGENT_LOCKED" });
  const request = { agentId: original.agentId, requestedBy: "alice" };
  const { state } = await service.recoveryAdmin.allowRecovery({ ...request, acceptAnyJoinState: true });
  expect(state?.allowedUntil).toBeInstanceOf(Date);
  expect(runtimeManager.locks.has(original.agentId)).toBe(false);
  const { identity } = await recover(service, original);
  expect(identity?.joinState).not.toBe("");
  const completed = await tap.until(2, eventsOf("activation.recovery.completed.v1", original.agentId));
  expect(completed.map(({ payload }) => "allowedBy" in payload && payload.allowedBy)).toContain("alice");
  await expect(recover(service, original)).rejects.toMatchObject({ code: "AGENT_LOCKED" });
});

test("a certificate that an operator revoked does not come back before an operator allows it", async () => {
  const disk = await anActivatedAgent(service);
  runtimeManager.standings.set(disk.agentId, {});
  await revoke(disk.certificateSerial, "laptop was stolen");
  await expect(recover(service, disk)).rejects.toMatchObject({ kind: "permission_denied", code: "AGENT_REVOKED" });
  await service.recoveryAdmin.allowRecovery({
    agentId: disk.agentId,
    requestedBy: "alice",
    acceptAnyJoinState: false,
  });
  const { identity } = await recover(service, disk);
  const next = diskAfter(identity, disk.recoveryKey);
  await environment.supersede(next.certificateSerial);
  expect((await recover(service, next)).identity?.certificate).toBeDefined();
});

test("an agent whose certificate is valid is told so, with our time (R21)", async () => {
  const disk = await anActivatedAgent(service);
  await expect(recover(service, disk)).rejects.toMatchObject({
    kind: "failed_precondition",
    code: "RECOVERY_NOT_NEEDED",
  });
});

test("three recoveries go by themselves, the fourth needs an operator or the relaxed mode (R7)", async () => {
  let disk = await anAgentThatWasAway();
  for (let count = 0; count < 3; count += 1) {
    disk = diskAfter((await recover(service, disk)).identity, disk.recoveryKey);
    await environment.supersede(disk.certificateSerial);
  }
  await expect(recover(service, disk)).rejects.toMatchObject({
    kind: "failed_precondition",
    code: "RECOVERY_LIMIT_REACHED",
  });
  await service.recoveryAdmin.setRecoveryMode({ agentId: disk.agentId, mode: 2, requestedBy: "alice" });
  expect((await recover(service, disk)).identity?.agentId).toBe(disk.agentId);
});

test("in manual mode each recovery needs an operator", async () => {
  const disk = await anAgentThatWasAway();
  await service.recoveryAdmin.setRecoveryMode({ agentId: disk.agentId, mode: 3, requestedBy: "alice" });
  await expect(recover(service, disk)).rejects.toMatchObject({
    kind: "failed_precondition",
    code: "RECOVERY_MANUAL_ONLY",
  });
});

test("a join state that is newer than our record is not taken for a copy: an operator decides (R17)", async () => {
  const disk = await anAgentThatWasAway();
  const { identity } = await recover(service, disk);
  const ahead = diskAfter(identity, disk.recoveryKey);
  await environment.supersede(ahead.certificateSerial);
  await environment.restoreAgentRecord(disk.agentId);
  await expect(recover(service, ahead)).rejects.toMatchObject({ code: "RECOVERY_MANUAL_ONLY" });
  expect(runtimeManager.locks.has(disk.agentId)).toBe(false);
  const allow = { agentId: disk.agentId, requestedBy: "alice", acceptAnyJoinState: true };
  await service.recoveryAdmin.allowRecovery(allow);
  await recover(service, ahead);
  const { state } = await service.recoveryAdmin.getRecoveryState({ agentId: disk.agentId });
  expect(state?.joinSequence).toBe(3n);
});

test("nothing is decided while runtime-manager is away, and the same challenge goes on afterwards", async () => {
  const disk = await anAgentThatWasAway();
  const challenge = await service.recovery.beginRecovery({ agentId: disk.agentId });
  const request = answerTo(challenge, disk, await nextKeys());
  runtimeManager.isAway = true;
  await expect(service.recovery.completeRecovery(request)).rejects.toMatchObject({
    kind: "unavailable",
    code: "RECOVERY_UNAVAILABLE",
  });
  runtimeManager.isAway = false;
  expect((await service.recovery.completeRecovery(request)).identity?.agentId).toBe(disk.agentId);
});

test("an operator's call about an agent that is not known is AGENT_UNKNOWN", async () => {
  const agentId = crypto.randomUUID();
  await expect(service.recoveryAdmin.getRecoveryState({ agentId })).rejects.toMatchObject({
    kind: "not_found",
    code: "AGENT_UNKNOWN",
  });
});
