import type { ConnectRequest, Hello } from "@drawbridge/contracts/tunnel/v1/tunnel_service";
import { DrawbridgeError } from "@drawbridge/errors";
import type { Clock, IdSource, Random } from "@drawbridge/lifecycle";
import type { PeerIdentity } from "@drawbridge/pki";
import { clockLimitsOf } from "../domain/clock-limits.ts";
import { clockSkewMs } from "../domain/clock-skew.ts";
import { agentId, fabricId, sessionId, type FabricId } from "../domain/ids.ts";
import { negotiateProtocol } from "../domain/protocol.ts";
import type { SessionRepository } from "../store/sessions.ts";
import { agentIdMismatch, agentOf } from "./agent-identity.ts";
import type { ConfigurationMarks } from "../api-configuration/configuration-marks.ts";
import type { CheckCertificate } from "./check-certificate.ts";
import { clusterFromProto, instant, standingFromProto, text, whole } from "./frame-from-proto.ts";
import type { SnapshotCache } from "../snapshot/snapshot-cache.ts";
import type { LoadedSnapshot } from "../snapshot/snapshot-to-proto.ts";
import type { SessionRegistry } from "./session-registry.ts";
import type { TunnelSettings } from "./settings.ts";
import { TunnelSession, type TunnelCall } from "./tunnel-session.ts";

export interface OpenSessionDeps {
  readonly sessions: Pick<SessionRepository, "welcome">;
  readonly checkCertificate: CheckCertificate;
  readonly snapshots: Pick<SnapshotCache, "load">;
  readonly registry: Pick<SessionRegistry, "add" | "remove">;
  /** Tell other replicas that may hold an earlier session of the fabric. */
  readonly announceTakeOver: (session: TunnelSession) => void;
  /** This hello proved that two processes use one identity: end the other one's session, wherever it is. */
  readonly onLocked: (agent: { readonly agentId: string; readonly fabricId: FabricId }) => void;
  readonly offerTrustBundle: (session: TunnelSession) => void;
  readonly marks: Pick<ConfigurationMarks, "forWelcome">;
  readonly reconnectWindowMs: () => number;
  readonly settings: TunnelSettings;
  readonly clock: Clock;
  readonly random: Random;
  readonly ids: IdSource;
}

export type OpenSession = (request: {
  readonly frame: ConnectRequest;
  readonly call: TunnelCall;
  readonly peer: PeerIdentity | undefined;
  readonly connectionId: string;
}) => Promise<TunnelSession>;

/**
 * From the first frame to a session that has been welcomed: who calls, in which protocol, with a certificate that the
 * authority knows, as the fabric's current agent, in a new epoch.
 * @throws DrawbridgeError `HELLO_EXPECTED` (invalid_argument) | `AGENT_ID_MISMATCH` (permission_denied) | what
 *   `negotiateProtocol`, `checkCertificate` and `welcomeSession` throw
 */
export function createOpenSession(deps: OpenSessionDeps): OpenSession {
  const { settings, clock } = deps;

  async function newestSnapshot(session: TunnelSession, desiredGeneration: bigint): Promise<LoadedSnapshot> {
    let wanted = desiredGeneration;
    for (;;) {
      const desired = await deps.snapshots.load(session.terms.fabricId, wanted);
      if (!desired) throw fabricDeleted();
      if (desired.generation >= session.hintedGeneration) return desired;
      wanted = session.hintedGeneration;
    }
  }

  return async ({ frame, call, peer, connectionId }) => {
    const hello = helloOf(frame);
    const agent = agentOf(peer);
    if (hello.agentId !== agent.agentId) throw agentIdMismatch();
    const protocol = negotiateProtocol({ min: hello.protocolMin, max: hello.protocolMax });
    const now = clock.now();
    const { issuedAt } = await deps.checkCertificate(agent);
    const skewMs = clockSkewMs(instant(hello.agentTime, now), now);
    const cluster = clusterFromProto(hello.cluster);
    const report = { ...standingFromProto(hello), clockSkewMs: skewMs };
    const names = {
      sessionId: sessionId(deps.ids.next()),
      agentId: agentId(agent.agentId),
      fabricId: fabricId(agent.fabricId),
      org: agent.org,
      bootId: text(hello.bootId, 100),
      epoch: whole(hello.epoch),
      serialNumber: agent.serialNumber,
      certificateNotAfter: agent.notAfter,
    };
    const answer = await deps.sessions.welcome({
      ...names,
      ...report,
      replica: settings.replica,
      issuedAt,
      cluster,
      bootGraceMs: settings.bootGraceMs,
      now,
    });
    if ("refusal" in answer) {
      if (answer.isLockedNow) deps.onLocked(names);
      throw answer.refusal;
    }
    const { order, desiredGeneration, isTakenOver, alerts } = answer;
    const clockLimits = clockLimitsOf(answer.clockLimits, settings.clockLimits);
    const session = new TunnelSession({
      call,
      terms: {
        ...names,
        order,
        connectionId,
        drainAtMs: clock.monotonicMs() + settings.connectionAgeMs * (0.9 + 0.2 * deps.random.next()),
      },
      report: { ...report, alerts },
      logsAllowed: cluster.logsAllowed,
      receivedSeq: frame.seq,
      nowMs: clock.monotonicMs(),
    });
    if (isTakenOver) deps.announceTakeOver(session);
    // In before the wish is read, so that no hint falls between the two.
    deps.registry.add(session);
    try {
      const [desired] = await Promise.all([newestSnapshot(session, desiredGeneration), deps.marks.forWelcome(session)]);
      session.welcome({ generation: desired.generation, digest: desired.digest });
    } catch (error) {
      deps.registry.remove(session);
      throw error;
    }
    session.send({
      $case: "welcome",
      value: {
        sessionId: names.sessionId,
        epoch: hello.epoch,
        protocol,
        serverTime: clock.now(),
        heartbeatMs: settings.heartbeatMs,
        deadAfterMs: settings.deadAfterMs,
        reconnectWindowMs: deps.reconnectWindowMs(),
        desiredGeneration: session.desired.generation,
        desiredDigest: session.desired.digest,
        replica: settings.replica,
        monitoringUrl: settings.monitoringUrl,
        clockSkewWarnSeconds: clockLimits.warnSeconds,
        clockSkewFailSeconds: clockLimits.failSeconds,
        apiConfiguration: session.apiConfiguration && { ...session.apiConfiguration },
      },
    });
    deps.offerTrustBundle(session);
    return session;
  };
}

function fabricDeleted(): DrawbridgeError {
  return new DrawbridgeError({
    kind: "permission_denied",
    code: "FABRIC_DELETED",
    message: "the fabric was deleted; activate it again to use it",
  });
}

function helloOf({ frame }: ConnectRequest): Hello {
  if (frame?.$case === "hello") return frame.value;
  throw new DrawbridgeError({
    kind: "invalid_argument",
    code: "HELLO_EXPECTED",
    message: "the first frame of a tunnel must be hello",
  });
}
