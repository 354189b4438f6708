import type { ApiRoutes } from "@drawbridge/contracts/apis/v1/route";
import {
  ConnectRequest,
  GetApiConfigurationRequest,
  GetApiObjectsRequest,
  GetSnapshotRequest,
  ReportRoutesRequest,
  type ConnectResponse,
  type GetAnalyticsAccessRequest,
  type GetAnalyticsAccessResponse,
  type GetApiConfigurationResponse,
  type GetApiObjectsResponse,
  type GetSnapshotResponse,
  type Hello,
  type TunnelServiceService,
  type Welcome,
} from "@drawbridge/contracts/tunnel/v1/tunnel_service";
import { DrawbridgeError } from "@drawbridge/errors";
import type { Clock } from "@drawbridge/lifecycle";
import { fromGrpcError, type GrpcClient } from "@drawbridge/rpc";
import type { EgressGate } from "../egress/egress-gate.ts";
import { eventsFromFrame } from "./event-from-frame.ts";
import { FrameQueue } from "./frame-queue.ts";
import { explainRefusal } from "./refusal.ts";
import { termsFromWelcome } from "./session-terms.ts";
import type { SessionEnd, SessionTerms } from "./tunnel-events.ts";
import type { OutboundFrame, SendOptions, SessionHandlers, TunnelSession } from "./tunnel-session.ts";

export interface TunnelConnectionOptions {
  readonly address: string;
  readonly client: GrpcClient<typeof TunnelServiceService>;
  readonly clock: Clock;
  readonly egress: EgressGate;
  readonly handlers: SessionHandlers;
  /** Certificates that the server showed, leaf first, DER. */
  readonly serverChainDer: () => readonly Uint8Array[];
}

interface Outgoing {
  readonly frame: OutboundFrame;
  readonly options: SendOptions;
}

/** For TCP, TLS and Welcome together. */
const welcomeTimeoutMs = 20_000;
/** For a snapshot, or for parts of what gateways enforce. */
const callTimeoutMs = 30_000;
/** The server has this long to answer a goodbye. */
const goodbyeTimeoutMs = 2_000;

/**
 * One stream of the tunnel, from Hello to its end.
 *
 * Invariants: seq is given when a frame is written, so that it grows although heartbeats overtake; after `#finish` nothing
 * is written, no event is delivered, and every timer ends; `ended` resolves exactly once and never rejects.
 */
export class TunnelConnection {
  readonly ended: Promise<SessionEnd>;
  readonly #options: TunnelConnectionOptions;
  readonly #stream: ReturnType<GrpcClient<typeof TunnelServiceService>["call"]["connect"]>;
  readonly #queue = new FrameQueue<Outgoing>();
  readonly #end = Promise.withResolvers<SessionEnd>();
  readonly #welcome = Promise.withResolvers<TunnelSession>();
  readonly #ending = new AbortController();
  #session: TunnelSession | undefined;
  #seq = 0n;
  #ack = 0n;
  #heardAtMs: number;
  #isBlocked = false;
  #isLeaving = false;
  #waiters: PromiseWithResolvers<void>[] = [];
  readonly #occupants = new Set<Promise<void>>();

  constructor(options: TunnelConnectionOptions) {
    this.#options = options;
    this.ended = this.#end.promise;
    this.#heardAtMs = options.clock.monotonicMs();
    this.#stream = options.client.call.connect();
    this.#stream.on("data", (response: ConnectResponse) => this.#hear(response));
    this.#stream.on("error", (error: unknown) =>
      this.finish({ end: "broken", error: fromGrpcError(error, "runtime-manager") }),
    );
    this.#stream.on("end", () => this.finish({ end: "broken", error: closedByServer() }));
    this.#stream.on("drain", () => {
      this.#isBlocked = false;
      this.#pump();
    });
    // Who waits for the welcome is told by `open`; without a waiter a rejection must not count as unhandled.
    this.#welcome.promise.catch(() => undefined);
  }

  /** Say Hello and wait for the answer. @throws DrawbridgeError the refusal | `TUNNEL_WELCOME_TIMEOUT` (unavailable) */
  open(hello: Hello): Promise<TunnelSession> {
    this.send({ $case: "hello", value: hello }, { lane: "priority" });
    void this.#giveUpAfter(welcomeTimeoutMs);
    return this.#welcome.promise;
  }

  send(frame: OutboundFrame, options: SendOptions = {}): void {
    if (this.#ending.signal.aborted || (this.#isLeaving && frame.$case !== "goodbye")) return;
    const message = this.#frameOf({ frame, options }, 0n);
    const sizeBytes = ConnectRequest.encode(message).finish().length;
    this.#options.egress.admit({
      peer: `runtime-manager ${this.#options.address}`,
      messageType: `tunnel.${frame.$case}`,
      sizeBytes,
      content: { kind: "protobuf", typeName: "drawbridge.tunnel.v1.ConnectRequest", message },
    });
    const verdict = this.#queue.push({ frame: { frame, options }, sizeBytes, lane: options.lane ?? "normal" });
    if (verdict === "full") this.finish({ end: "broken", error: queueFull() });
    else this.#pump();
  }

  /** End it now, whatever the other side does. */
  finish(cause: SessionEnd): void {
    if (this.#ending.signal.aborted) return;
    const end: SessionEnd = this.#isLeaving ? { end: "left" } : cause;
    const error = end.end === "broken" ? end.error : sessionOver(end);
    this.#ending.abort(error);
    this.#welcome.reject(refusalOf(end) ?? error);
    for (const waiter of this.#waiters) waiter.reject(error);
    this.#waiters = [];
    this.#stream.cancel();
    void this.#options.client.stop(this.#ending.signal);
    this.#end.resolve(end);
  }

  #hear(response: ConnectResponse): void {
    if (this.#ending.signal.aborted) return;
    this.#heardAtMs = this.#options.clock.monotonicMs();
    if (response.seq > this.#ack) this.#ack = response.seq;
    const { frame } = response;
    if (frame === undefined) return; // from a newer control plane: a sign of life all the same
    if (frame.$case === "kick") {
      this.finish({ end: "kicked", reason: frame.value.reason });
      return;
    }
    if (frame.$case === "welcome" && this.#session === undefined) this.#begin(frame.value);
    if (this.#session === undefined) return; // nothing counts before Welcome
    for (const event of eventsFromFrame(frame, response.correlationId)) {
      this.#options.handlers.onEvent(event, this.#session);
    }
  }

  #begin(welcome: Welcome): void {
    const terms = termsFromWelcome(welcome);
    this.#session = {
      address: this.#options.address,
      terms,
      openedAtMs: this.#heardAtMs,
      queued: () => this.#queue.length,
      ended: this.ended,
      send: (frame, options) => this.send(frame, options),
      drained: () => this.#drained(),
      beat: () => this.#sayAlive(),
      serverChainDer: this.#options.serverChainDer,
      occupy: () => this.#occupy(),
      idle: () => this.#idle(),
      getSnapshot: (haveDigest, signal) => this.#getSnapshot(haveDigest, signal),
      getApiConfiguration: (haveDigest, signal) => this.#getApiConfiguration(haveDigest, signal),
      getApiObjects: (digests, signal) => this.#getApiObjects(digests, signal),
      reportRoutes: (apis, signal) => this.#reportRoutes(apis, signal),
      getAnalyticsAccess: (signal) => this.#getAnalyticsAccess(signal),
      leave: (reason) => this.#leave(reason),
    };
    void this.#beat(terms);
    void this.#listen(terms);
    this.#welcome.resolve(this.#session);
  }

  #pump(): void {
    while (!this.#isBlocked && !this.#ending.signal.aborted) {
      const next = this.#queue.shift();
      if (next === undefined) break;
      this.#seq += 1n;
      this.#isBlocked = !this.#stream.write(this.#frameOf(next, this.#seq));
      next.options.onWritten?.(this.#seq);
    }
    if (this.#queue.length > 0 || this.#isBlocked) return;
    for (const waiter of this.#waiters) waiter.resolve();
    this.#waiters = [];
  }

  #frameOf({ frame, options }: Outgoing, seq: bigint): ConnectRequest {
    return { seq, ack: this.#ack, correlationId: options.correlationId ?? "", frame };
  }

  async #drained(): Promise<void> {
    this.#ending.signal.throwIfAborted();
    if (this.#queue.length === 0 && !this.#isBlocked) return;
    const waiter = Promise.withResolvers<void>();
    this.#waiters.push(waiter);
    await waiter.promise;
  }

  async #beat(terms: SessionTerms): Promise<void> {
    const { clock } = this.#options;
    const { signal } = this.#ending;
    while (!signal.aborted) {
      await clock.sleep(terms.heartbeatMs, signal).catch(() => undefined); // ends with the session
      this.#sayAlive();
    }
  }

  #sayAlive(): void {
    if (this.#ending.signal.aborted) return;
    this.send({ $case: "heartbeat", value: this.#options.handlers.heartbeat() }, { lane: "priority" });
  }

  #occupy(): () => void {
    const work = Promise.withResolvers<void>();
    this.#occupants.add(work.promise);
    return () => {
      this.#occupants.delete(work.promise);
      work.resolve();
    };
  }

  async #idle(): Promise<void> {
    const ended = this.ended.then(() => undefined);
    while (this.#occupants.size > 0 && !this.#ending.signal.aborted)
      await Promise.race([ended, Promise.all(this.#occupants)]);
    await this.#drained().catch(() => undefined); // ended: nothing waits any more
  }

  /** A peer that says nothing is dead, also when the network still takes what we send (half-open). */
  async #listen(terms: SessionTerms): Promise<void> {
    const { clock } = this.#options;
    const { signal } = this.#ending;
    while (!signal.aborted) {
      const silentMs = clock.monotonicMs() - this.#heardAtMs;
      if (silentMs >= terms.deadAfterMs) {
        this.finish({ end: "dead", silentMs });
        return;
      }
      await clock.sleep(terms.deadAfterMs - silentMs, signal).catch(() => undefined); // ends with the session
    }
  }

  async #giveUpAfter(timeoutMs: number): Promise<void> {
    const { clock } = this.#options;
    await clock.sleep(timeoutMs, this.#ending.signal).catch(() => undefined); // ends with the session
    if (this.#session === undefined) this.finish({ end: "broken", error: welcomeTimeout(this.#options.address) });
  }

  #getSnapshot(haveDigest: string, signal: AbortSignal): Promise<GetSnapshotResponse> {
    const request: GetSnapshotRequest = { haveDigest };
    const bytes = GetSnapshotRequest.encode(request).finish();
    return this.#ask({ message: request, method: "GetSnapshot", sizeBytes: bytes.length, signal }, (options) =>
      this.#options.client.call.getSnapshot(request, options),
    );
  }

  #getApiConfiguration(haveDigest: string, signal: AbortSignal): Promise<GetApiConfigurationResponse> {
    const request: GetApiConfigurationRequest = { haveDigest };
    const bytes = GetApiConfigurationRequest.encode(request).finish();
    return this.#ask({ message: request, method: "GetApiConfiguration", sizeBytes: bytes.length, signal }, (options) =>
      this.#options.client.call.getApiConfiguration(request, options),
    );
  }

  #getApiObjects(digests: readonly Buffer[], signal: AbortSignal): Promise<GetApiObjectsResponse> {
    const request: GetApiObjectsRequest = { digests: [...digests] };
    const bytes = GetApiObjectsRequest.encode(request).finish();
    return this.#ask({ message: request, method: "GetApiObjects", sizeBytes: bytes.length, signal }, (options) =>
      this.#options.client.call.getApiObjects(request, options),
    );
  }

  async #reportRoutes(apis: readonly ApiRoutes[], signal: AbortSignal): Promise<void> {
    const request: ReportRoutesRequest = { apis: [...apis] };
    const bytes = ReportRoutesRequest.encode(request).finish();
    await this.#ask({ message: request, method: "ReportRoutes", sizeBytes: bytes.length, signal }, (options) =>
      this.#options.client.call.reportRoutes(request, options),
    );
  }

  #getAnalyticsAccess(signal: AbortSignal): Promise<GetAnalyticsAccessResponse> {
    const request: GetAnalyticsAccessRequest = {};
    return this.#ask({ message: request, method: "GetAnalyticsAccess", sizeBytes: 0, signal }, (options) =>
      this.#options.client.call.getAnalyticsAccess(request, options),
    );
  }

  /** A call beside the stream, on its connection; it ends with the session. */
  async #ask<A>(
    asked: {
      readonly message: object;
      readonly method: "GetSnapshot" | "GetApiConfiguration" | "GetApiObjects" | "ReportRoutes" | "GetAnalyticsAccess";
      readonly sizeBytes: number;
      readonly signal: AbortSignal;
    },
    call: (options: { readonly signal: AbortSignal; readonly timeoutMs: number }) => Promise<A>,
  ): Promise<A> {
    const { message, method, sizeBytes } = asked;
    this.#options.egress.admit({
      peer: `runtime-manager ${this.#options.address}`,
      messageType: `tunnel.${method.charAt(0).toLowerCase()}${method.slice(1)}`,
      sizeBytes,
      content: { kind: "protobuf", typeName: `drawbridge.tunnel.v1.${method}Request`, message },
    });
    const release = this.#occupy();
    try {
      return await call({ signal: AbortSignal.any([asked.signal, this.#ending.signal]), timeoutMs: callTimeoutMs });
    } finally {
      release();
    }
  }

  async #leave(reason: string): Promise<void> {
    if (this.#ending.signal.aborted || this.#isLeaving) return;
    this.#isLeaving = true;
    this.send({ $case: "goodbye", value: { reason } });
    void this.#drained().then(
      () => this.#stream.end(),
      () => undefined, // the session ended first
    );
    // The server answers a goodbye by ending the stream, which ends the session; one that does not is not waited for.
    await this.#options.clock.sleep(goodbyeTimeoutMs, this.#ending.signal).catch(() => undefined);
    this.finish({ end: "left" });
  }
}

/** A kick in place of a welcome is an answer to Hello: where it names a refusal, it is that refusal. */
function refusalOf(end: SessionEnd): DrawbridgeError | undefined {
  const message = end.end === "kicked" ? explainRefusal(end.reason) : undefined;
  if (end.end !== "kicked" || message === undefined) return undefined;
  return new DrawbridgeError({ kind: "permission_denied", code: end.reason, message });
}

function sessionOver(end: SessionEnd): DrawbridgeError {
  return new DrawbridgeError({
    kind: "unavailable",
    code: "TUNNEL_SESSION_ENDED",
    message:
      end.end === "kicked" ? `the control plane ended the session (${end.reason})` : "the tunnel session is over",
    details: { end: end.end, ...(end.end === "kicked" ? { reason: end.reason } : {}) },
  });
}

function closedByServer(): DrawbridgeError {
  return new DrawbridgeError({
    kind: "unavailable",
    code: "TUNNEL_CLOSED",
    message: "the control plane closed the tunnel",
  });
}

function queueFull(): DrawbridgeError {
  return new DrawbridgeError({
    kind: "unavailable",
    code: "TUNNEL_QUEUE_FULL",
    message: "the control plane does not take what the agent sends: the session was given up",
  });
}

function welcomeTimeout(address: string): DrawbridgeError {
  return new DrawbridgeError({
    kind: "unavailable",
    code: "TUNNEL_WELCOME_TIMEOUT",
    message: `no answer to Hello from ${address} within ${welcomeTimeoutMs / 1_000} s`,
  });
}
