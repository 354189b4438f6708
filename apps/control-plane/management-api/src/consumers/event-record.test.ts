import { expect, test } from "vitest";
import { auditedEvents, type AuditedEvent, eventToEntry, isWorthARecord } from "./event-record.ts";

const envelope = { id: "0193e3a0-0000-7000-8000-000000000001", scope: "f1", occurredAt: new Date(0), traceparent: "" };
const fabric = { fabricId: "f1", name: "edge", agentId: "a1", fact: "", replica: "rm-0" };

const lock = { fabricId: "f1", agentId: "a1", reason: "DUPLICATE_AGENT", message: "two of them", requestedBy: "" };
const revocation = (reason: string): AuditedEvent => ({
  ...envelope,
  type: "certs.certificate.revoked.v1",
  payload: { serialNumber: "01", spiffeId: "spiffe://d/x", reason },
});

const events: readonly AuditedEvent[] = [
  {
    ...envelope,
    type: "activation.token.redeemed.v1",
    payload: {
      tokenId: "t1",
      fabricId: "f1",
      agentId: "a1",
      certificateSerial: "01",
      monitoringCertificateSerial: "",
      remoteAddress: "10.0.0.1",
    },
  },
  {
    ...envelope,
    type: "activation.token.refused.v1",
    payload: {
      tokenId: "t1",
      fabricId: "f1",
      errorCode: "ACTIVATION_TOKEN_USED",
      remoteAddress: "10.0.0.2",
      keySha256: "",
    },
  },
  {
    ...envelope,
    type: "activation.recovery.completed.v1",
    payload: {
      fabricId: "f1",
      agentId: "a1",
      certificateSerial: "02",
      monitoringCertificateSerial: "03",
      remoteAddress: "10.0.0.1",
      allowedBy: "ann",
    },
  },
  {
    ...envelope,
    type: "activation.recovery.refused.v1",
    payload: { fabricId: "", agentId: "", errorCode: "RECOVERY_REFUSED", remoteAddress: "10.0.0.2" },
  },
  revocation("fabric deleted"),
  {
    ...envelope,
    type: "certs.rotation.changed.v1",
    payload: { phase: "update_clients", previousPhase: "init", requestedBy: "ann", stranded: ["edge", "plant-7"] },
  },
  { ...envelope, type: "runtime.fabric.connected.v1", payload: fabric },
  { ...envelope, type: "runtime.fabric.unreachable.v1", payload: fabric },
  { ...envelope, type: "runtime.fabric.deleted.v1", payload: fabric },
  { ...envelope, type: "runtime.agent.locked.v1", payload: lock },
  { ...envelope, type: "runtime.agent.unlocked.v1", payload: { ...lock, reason: "", requestedBy: "ann" } },
  {
    ...envelope,
    type: "config.artefact.refused.v1",
    payload: { fabricId: "f1", spiffeId: "spiffe://d/x", digest: "sha256:00", remoteAddress: "10.0.0.3" },
  },
];

test("every event that is asked for becomes an audit entry of its own kind", () => {
  expect(events.map((event) => event.type)).toEqual(Object.values(auditedEvents).flat());
  expect(
    events
      .map(eventToEntry)
      .map(({ actor, action, target, result, errorCode, address }) => [
        actor,
        action,
        target,
        result,
        errorCode,
        address,
      ]),
  ).toEqual([
    ["agent a1", "fabric-token.redeem", "t1", "success", "", "10.0.0.1"],
    ["anonymous", "fabric-token.redeem", "t1", "refused", "ACTIVATION_TOKEN_USED", "10.0.0.2"],
    ["agent a1", "fabric.recover", "f1", "success", "", "10.0.0.1"],
    ["anonymous", "fabric.recover", "", "refused", "RECOVERY_REFUSED", "10.0.0.2"],
    ["cert-authority", "certificate.revoke", "01", "success", "", ""],
    ["cert-authority", "ca.enter-phase", "update_clients", "success", "", ""],
    ["runtime-manager", "fabric.connect", "edge", "success", "", ""],
    ["runtime-manager", "fabric.lose", "edge", "success", "", ""],
    ["runtime-manager", "fabric.remove", "edge", "success", "", ""],
    ["runtime-manager", "agent.lock", "f1", "success", "", ""],
    ["runtime-manager", "agent.unlock", "f1", "success", "", ""],
    ["spiffe://d/x", "artefact.fetch", "sha256:00", "refused", "", "10.0.0.3"],
  ]);
});

test("an entry carries the event's id and time, and leaves out what is not known", () => {
  const [redeemed] = events;
  expect(redeemed && eventToEntry(redeemed)).toMatchObject({
    requestId: envelope.id,
    occurredAt: envelope.occurredAt,
    details: { fabricId: "f1", agentId: "a1", certificateSerial: "01" },
  });
  expect(redeemed && eventToEntry(redeemed).details).not.toHaveProperty("monitoringCertificateSerial");
});

test("a certificate that a renewal made needless is no act; one that was revoked is", () => {
  expect(isWorthARecord(revocation("superseded"))).toBe(false);
  expect(events.map(isWorthARecord)).not.toContain(false);
});
