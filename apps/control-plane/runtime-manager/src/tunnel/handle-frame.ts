import type { ConnectRequest, Heartbeat, Status } from "@drawbridge/contracts/tunnel/v1/tunnel_service";
import { isDrawbridgeError } from "@drawbridge/errors";
import type { Clock } from "@drawbridge/lifecycle";
import { field, type Logger } from "@drawbridge/telemetry";
import { clockSkewMs } from "../domain/clock-skew.ts";
import type { AgentReport, HeldCertificate } from "../domain/fabric.ts";
import type { FabricId } from "../domain/ids.ts";
import type { LogStreams } from "../logs/log-streams.ts";
import type { StatusRepository } from "../store/statuses.ts";
import {
  alertsFromProto,
  instant,
  removedFromProto,
  standingFromProto,
  statusesFromProto,
  whole,
} from "./frame-from-proto.ts";
import type { RenewCertificate } from "./renew-certificate.ts";
import type { TunnelSession } from "./tunnel-session.ts";

export interface HandleFrameDeps {
  readonly renew: RenewCertificate;
  /** The database says that another session of the fabric is the current one. */
  readonly onSuperseded: (session: TunnelSession) => void;
  readonly statuses: StatusRepository;
  readonly logs: Pick<LogStreams, "deliver">;
  /** Send the roots that agents should trust now to one that has older ones. */
  readonly offerTrustBundle: (session: TunnelSession) => void;
  readonly onDesiredChanged: (fabricId: FabricId, generation: bigint) => void;
  readonly clock: Clock;
  readonly logger: Logger;
}

export type HandleFrame = (session: TunnelSession, request: ConnectRequest) => void;

/** Status frames that wait for the database; an agent that sends more gets no answer to them and sends them again. */
const maxPendingStatuses = 16;
/** Skew within this is the way through the network. */
const skewToleranceMs = 500;

export function createHandleFrame(deps: HandleFrameDeps): HandleFrame {
  const { clock, logger } = deps;

  function onHeartbeat(session: TunnelSession, heartbeat: Heartbeat): void {
    const now = clock.now();
    const { report } = session;
    const skewMs = clockSkewMs(instant(heartbeat.agentTime, now), now);
    const next: AgentReport = {
      ...standingFromProto(heartbeat),
      clockSkewMs: Math.abs(skewMs - report.clockSkewMs) > skewToleranceMs ? skewMs : report.clockSkewMs,
      alerts: alertsFromProto(heartbeat.alerts, now),
    };
    if (!isSameReport(report, next)) {
      session.report = next;
      session.isReportDirty = true;
    }
    session.send(
      {
        $case: "heartbeatAck",
        value: {
          serverTime: now,
          desiredGeneration: session.desired.generation,
          desiredDigest: session.desired.digest,
          apiConfiguration: session.apiConfiguration && { ...session.apiConfiguration },
        },
      },
      { lane: "urgent", key: "heartbeat" },
    );
    deps.offerTrustBundle(session);
  }

  async function storeStatus(session: TunnelSession, seq: bigint, status: Status): Promise<void> {
    if (session.isOver) return;
    const now = clock.now();
    try {
      const stored = await deps.statuses.store({
        fabricId: session.terms.fabricId,
        agentId: session.terms.agentId,
        epoch: session.terms.epoch,
        observedGeneration: whole(status.observedGeneration),
        snapshotDigest: status.snapshotDigest.slice(0, 100),
        scope: status.complete ? "complete" : "changes",
        apps: statusesFromProto(status.apps, now),
        removedAppIds: removedFromProto(status.removedAppIds),
        now,
      });
      if (stored.outcome === "superseded") {
        // Without an answer the agent sends it again, on the tunnel that took this one's place.
        deps.onSuperseded(session);
        return;
      }
      session.send({ $case: "statusAck", value: { statusSeq: seq } });
      if (stored.generation !== undefined) deps.onDesiredChanged(session.terms.fabricId, stored.generation);
    } catch (error) {
      // No answer: the agent keeps the report and sends it again. Outages are logged once, by the store.
      const level = isDrawbridgeError(error) && error.kind !== "internal" ? "debug" : "error";
      logger[level]({ err: error, [field.agentId]: session.terms.agentId }, "status not stored");
    }
  }

  /** One after the other, in the order in which they came; frames behind them are not held up. */
  function onStatus(session: TunnelSession, seq: bigint, status: Status): void {
    if (session.pendingStatuses >= maxPendingStatuses) return;
    session.pendingStatuses += 1;
    const stored = (session.statusChain ?? Promise.resolve())
      .then(() => storeStatus(session, seq, status))
      .finally(() => {
        session.pendingStatuses -= 1;
        if (session.statusChain === stored) session.statusChain = undefined;
      });
    session.statusChain = stored;
  }

  return (session, request) => {
    if (session.isOver) return;
    if (session.accept(request, clock.monotonicMs()) === "out-of-order") {
      session.kick("SEQUENCE_BROKEN");
      return;
    }
    const { frame } = request;
    switch (frame?.$case) {
      case "heartbeat":
        onHeartbeat(session, frame.value);
        return;
      case "status":
        onStatus(session, request.seq, frame.value);
        return;
      case "logsChunk":
        deps.logs.deliver(session, request.correlationId, frame.value);
        return;
      case "renew":
        deps.renew(session, request.correlationId, frame.value);
        return;
      case "goodbye":
        session.end({ reason: "agent-left" });
        return;
      case "hello":
        session.kick("HELLO_REPEATED");
        return;
      case undefined:
        return; // a frame of a later protocol: the agent learns from WELCOME that it is not understood
    }
  };
}

function isSameReport(a: AgentReport, b: AgentReport): boolean {
  return (
    a.observedGeneration === b.observedGeneration &&
    a.snapshotDigest === b.snapshotDigest &&
    a.trustBundleSequence === b.trustBundleSequence &&
    a.clockSkewMs === b.clockSkewMs &&
    a.certificates.length === b.certificates.length &&
    a.certificates.every((held, index) => isSameCertificate(held, b.certificates[index])) &&
    a.alerts.length === b.alerts.length &&
    a.alerts.every((alert, index) => {
      const other = b.alerts[index];
      return (
        alert.reason === other?.reason &&
        alert.message === other.message &&
        alert.since.getTime() === other.since.getTime()
      );
    })
  );
}

function isSameCertificate(a: HeldCertificate, b: HeldCertificate | undefined): boolean {
  return (
    a.purpose === b?.purpose &&
    a.serialNumber === b.serialNumber &&
    a.lastFailure === b.lastFailure &&
    a.notAfter.getTime() === b.notAfter.getTime() &&
    a.renewAt.getTime() === b.renewAt.getTime()
  );
}
