import type { ConnectRequest, ConnectResponse } from "@drawbridge/contracts/tunnel/v1/tunnel_service";
import type { ApiConfigurationMark } from "../clients/api-manager.ts";
import type { AgentReport } from "../domain/fabric.ts";
import type { AgentId, FabricId, SessionId } from "../domain/ids.ts";
import { FrameQueue, type QueueOptions, type ServerFrame } from "./frame-queue.ts";

export type AgentFrame = NonNullable<ConnectRequest["frame"]>;

/** The part of the gRPC call that a session needs. */
export interface TunnelCall {
  write(frame: ConnectResponse): boolean;
  on(event: "data", listener: (frame: ConnectRequest) => void): unknown;
  on(event: "end" | "drain" | "close" | "error" | "cancelled", listener: () => void): unknown;
  pause(): unknown;
  resume(): unknown;
}

export interface SessionTerms {
  readonly sessionId: SessionId;
  readonly agentId: AgentId;
  readonly fabricId: FabricId;
  readonly org: string;
  /** Of the agent's process. */
  readonly bootId: string;
  readonly epoch: bigint;
  /** Place among all sessions that the fabric ever had. */
  readonly order: bigint;
  readonly serialNumber: string;
  readonly certificateNotAfter: Date;
  readonly connectionId: string;
  /** Monotonic instant at which the connection is old enough to be handed over. */
  readonly drainAtMs: number;
}

/** Why a session is over. */
export type SessionEnd =
  | { readonly reason: "agent-left" }
  /** The stream or the connection broke. */
  | { readonly reason: "lost" }
  | { readonly reason: "kicked"; readonly code: string }
  | { readonly reason: "dead" }
  | { readonly reason: "overflow" }
  | { readonly reason: "drained" };

/** What the agent should have, as far as this replica knows. */
export interface DesiredMark {
  readonly generation: bigint;
  readonly digest: string;
}

/**
 * One live tunnel. It owns the sequence numbers, the outgoing lanes and the end of the stream; what frames mean is
 * decided elsewhere. There is one per agent and replica, thousands per process: no timer, no closure and no queue of its
 * own until it needs one.
 */
export class TunnelSession {
  readonly terms: SessionTerms;
  readonly ended: Promise<SessionEnd>;
  report: AgentReport;
  /** Nothing before the welcome. */
  desired: DesiredMark = { generation: 0n, digest: "" };
  /** What api-manager said in this session that gateways should enforce; undefined while it said nothing. */
  apiConfiguration: ApiConfigurationMark | undefined;
  /** Highest generation that was hinted at before the welcome. */
  hintedGeneration = 0n;
  logsAllowed: boolean;
  /** Monotonic instant of the last frame from the agent. */
  lastFrameMs: number;
  /** The report holds something that the database has not. */
  isReportDirty = false;
  /** A frame came since the last time it was written down. */
  isSeenDirty = false;
  isDraining = false;
  /**
   * Monotonic instant at which a session that its own process has replaced ends at the latest; undefined while it is the
   * current one. Until then what is under way on it may finish.
   */
  retireAtMs: number | undefined;
  framesThisTick = 0;
  /** Highest trust bundle that was sent on this session. */
  sentTrustBundle = 0n;
  /** Status frames that are being stored; see `maxPendingStatuses`. */
  pendingStatuses = 0;
  statusChain: Promise<void> | undefined;
  readonly #call: TunnelCall;
  readonly #resolveEnded: (end: SessionEnd) => void;
  #sentSeq = 0n;
  #receivedSeq: bigint;
  #queue: FrameQueue | undefined;
  #isWaitingForDrain = false;
  #isOver = false;
  #blocks = 0;

  constructor(options: {
    readonly call: TunnelCall;
    readonly terms: SessionTerms;
    readonly report: AgentReport;
    readonly logsAllowed: boolean;
    readonly receivedSeq: bigint;
    readonly nowMs: number;
  }) {
    this.#call = options.call;
    this.terms = options.terms;
    this.report = options.report;
    this.logsAllowed = options.logsAllowed;
    this.#receivedSeq = options.receivedSeq;
    this.lastFrameMs = options.nowMs;
    const { promise, resolve } = Promise.withResolvers<SessionEnd>();
    this.ended = promise;
    this.#resolveEnded = resolve;
  }

  get isWelcomed(): boolean {
    return this.desired.generation > 0n;
  }

  welcome(desired: DesiredMark): void {
    this.desired = desired;
  }

  get isOver(): boolean {
    return this.#isOver;
  }

  /** Take note of a frame; "out-of-order" when its seq does not grow. */
  accept(frame: ConnectRequest, nowMs: number): "accepted" | "out-of-order" {
    if (frame.seq <= this.#receivedSeq) return "out-of-order";
    this.#receivedSeq = frame.seq;
    this.lastFrameMs = nowMs;
    this.isSeenDirty = true;
    this.framesThisTick += 1;
    return "accepted";
  }

  /** Send now, or as soon as the connection takes it. */
  send(frame: ServerFrame, options: QueueOptions = {}): void {
    if (this.#isOver) return;
    if (!this.#isWaitingForDrain) {
      this.#write(frame, options.correlationId ?? "");
      return;
    }
    this.#queue ??= new FrameQueue();
    if (this.#queue.push(frame, options) === "overflow") this.end({ reason: "overflow" });
  }

  /** The connection takes more: send what waits. */
  resumeSending(): void {
    this.#isWaitingForDrain = false;
    while (!this.#isWaitingForDrain && !this.#isOver) {
      const next = this.#queue?.shift();
      if (!next) {
        this.#queue = undefined;
        return;
      }
      this.#write(next.frame, next.correlationId);
    }
  }

  /** The session ends now, with a last word. */
  kick(code: string): void {
    if (this.#isOver) return;
    this.#write({ $case: "kick", value: { reason: code } }, "");
    this.end({ reason: "kicked", code });
  }

  end(end: SessionEnd): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#queue = undefined;
    this.#resolveEnded(end);
  }

  /** Read no further until as many `unblockReading` follow: a reader of logs is behind. */
  blockReading(): void {
    this.#blocks += 1;
    if (this.#blocks === 1) this.#call.pause();
  }

  unblockReading(): void {
    this.#blocks -= 1;
    if (this.#blocks === 0 && !this.#isOver) this.#call.resume();
  }

  #write(frame: ServerFrame, correlationId: string): void {
    this.#sentSeq += 1n;
    const isTaken = this.#call.write({ seq: this.#sentSeq, ack: this.#receivedSeq, correlationId, frame });
    if (!isTaken) this.#isWaitingForDrain = true;
  }
}
