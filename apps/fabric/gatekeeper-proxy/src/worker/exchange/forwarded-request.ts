import { headerValue, type AttemptOutcome } from "@drawbridge/policies";
import {
  bodyTooLarge,
  overloaded,
  replicaAnswerMalformed,
  replicaConnectionLost,
  replicaTooSlow,
  replicaUnavailable,
  type Problem,
} from "../request/problem.ts";
import { chooseReplica, type Replica } from "../route/replica.ts";
import type { ResponseHead } from "../upstream/response-head.ts";
import type {
  AttemptTimeouts,
  OutgoingRequest,
  ResponseSink,
  UpstreamCall,
  UpstreamFailure,
} from "../upstream/upstream.ts";
import type { ExchangeCopy } from "../insight/exchange-copy.ts";
import { KeptBody } from "./kept-body.ts";
import { safeTrailers } from "../request/trailers.ts";
import { fieldLinesOf, isIdempotent } from "./outgoing-request.ts";
import { ProxiedRequest } from "./proxied-request.ts";

/** A body of an idempotent request up to here is kept until an answer begins. */
const keptBytes = 64 * 1024;
/** A replica that cannot be reached for a moment is asked last for so long. */
const avoidMs = 1_000;
const noReplicas: readonly Replica[] = [];

const problems: Readonly<Record<UpstreamFailure, Problem>> = {
  unreachable: replicaUnavailable,
  busy: overloaded,
  stale: replicaConnectionLost,
  reset: replicaConnectionLost,
  timeout: replicaTooSlow,
  malformed: replicaAnswerMalformed,
  truncated: replicaConnectionLost,
};

/*
 * A request that goes to a replica, perhaps to several in turn.
 *
 * Invariants:
 * - It is sent again only if it did not arrive, or if it is idempotent, all of it is at hand and it died on a connection
 *   that had been idle before any byte of an answer; or if a retry policy says so. Never after a byte of an answer was
 *   passed on.
 * - A replica counts a request from its choice to the end of the attempt.
 * - The client's body is read only while there is a replica to read it.
 */
export abstract class ForwardedRequest extends ProxiedRequest implements ResponseSink {
  #call: UpstreamCall | undefined = undefined;
  #replica: Replica | undefined = undefined;
  #tried: readonly Replica[] = noReplicas;
  #attempt = 0;
  #hasRepeatedStale = false;
  /** Endpoint that the circuit breaker let the attempt through to. */
  #enteredAt = "";
  #hasBodyBegun = false;
  #isBodyEnded = false;
  #bodyTrailers: readonly string[] = [];
  #kept: KeptBody | undefined = undefined;
  #loaded: Uint8Array | undefined = undefined;
  #cancelTotal: (() => void) | undefined = undefined;
  #cancelPause: (() => void) | undefined = undefined;

  /** Give the client's body to `takeBody` and `takeBodyEnd`, from now on. */
  protected abstract readBody(): void;
  protected abstract pauseBody(): void;
  protected abstract resumeBody(): void;
  protected abstract sendInformational(head: ResponseHead): void;

  protected forward(): void {
    const { bodyLength } = this.arrival.fields;
    const limit = this.pipeline?.streamLimit;
    if (limit !== undefined && bodyLength > limit.bytes && this.exchange !== undefined) {
      return this.answerReply(limit.tooLarge(this.exchange));
    }
    this.#loaded = this.exchange?.body;
    if (this.copy !== undefined && this.#loaded !== undefined) this.#copyLoaded(this.copy, this.#loaded);
    const totalMs = this.pipeline?.timeouts?.totalMs ?? 0;
    if (totalMs > 0) this.#cancelTotal = this.context.after(totalMs, () => this.fail(replicaTooSlow));
    this.#tryReplica("any");
  }

  #copyLoaded(copy: ExchangeCopy, body: Uint8Array): void {
    copy.takeRequest(body);
    copy.endRequest();
  }

  #tryReplica(connection: OutgoingRequest["connection"], again?: Replica): void {
    const { context, exchange, pipeline } = this;
    const turn = this.ready.length > 1 ? context.nextTurn() : 0;
    const replica =
      again ?? chooseReplica(this.ready, { tried: this.#tried, turn, nowMs: context.nowMs }) ?? this.ready[0];
    if (replica === undefined) return this.fail(replicaUnavailable);
    if (pipeline?.breaker !== undefined && exchange !== undefined) {
      const reply = pipeline.breaker.enter(exchange, replica.name);
      if (reply !== undefined) {
        this.#tried = [...this.#tried, replica];
        const hasOther = again === undefined && this.ready.some((other) => !this.#tried.includes(other));
        return hasOther ? this.#tryReplica(connection) : this.answerReply(reply);
      }
      this.#enteredAt = replica.name;
    }
    this.#attempt += 1;
    this.#replica = replica;
    replica.inFlight += 1;
    this.markForwarded(replica.endpoint.replicaId);
    const call = replica.upstream.start(this.#outgoing(connection), this, this.#timeouts());
    if (this.#replica !== replica) return; // failed at once
    this.#call = call;
    if (call.isConnected) this.#sendBody(call);
  }

  #outgoing(connection: OutgoingRequest["connection"]): OutgoingRequest {
    const { method, target, fields } = this.arrival;
    const bodyLength = this.#loaded === undefined ? fields.bodyLength : this.#loaded.length;
    return {
      method,
      target: target.search === "" ? target.path : target.path + target.search,
      authority: fields.host,
      fieldLines: fieldLinesOf(this.arrival, this.requestId),
      bodyLength,
      connection: connection === "any" && !(bodyLength === 0 && isIdempotent(method)) ? "recent" : connection,
    };
  }

  #timeouts(): AttemptTimeouts {
    const { timeouts, retry } = this.pipeline ?? {};
    if (timeouts === undefined && retry === undefined) return this.context.defaultTimeouts;
    const { connectTimeoutMs, responseTimeoutMs, idleTimeoutMs } = this.context.settings;
    const perAttempt = retry?.attemptTimeoutMs ?? 0;
    const atMost = (ms: number): number => (perAttempt > 0 && (ms === 0 || perAttempt < ms) ? perAttempt : ms);
    return {
      connectMs: atMost(timeouts?.connectMs ?? connectTimeoutMs),
      responseMs: atMost(timeouts?.responseMs ?? responseTimeoutMs),
      idleMs: timeouts?.idleMs ?? idleTimeoutMs,
    };
  }

  onConnected(call: UpstreamCall): void {
    if (this.isOver) return call.abort();
    this.#call = call;
    this.#sendBody(call);
  }

  #sendBody(call: UpstreamCall): void {
    const { bodyLength } = this.arrival.fields;
    if (bodyLength === 0) return;
    if (this.#loaded !== undefined) {
      if (this.#loaded.length === 0) return;
      call.write(this.#loaded);
      return call.end([]);
    }
    for (const piece of this.#kept?.pieces ?? []) call.write(piece);
    if (this.#isBodyEnded) return call.end(this.#bodyTrailers);
    if (this.#hasBodyBegun) return this.resumeBody();
    this.#hasBodyBegun = true;
    const limit = Math.max(this.pipeline?.retry?.bufferBytes ?? 0, isIdempotent(this.arrival.method) ? keptBytes : 0);
    if (limit > 0 && bodyLength <= limit) this.#kept = new KeptBody(limit);
    this.readBody();
  }

  protected takeBody(bytes: Uint8Array): void {
    if (this.isOver) return;
    this.requestBytes += bytes.length;
    const limit = this.pipeline?.streamLimit;
    if (limit !== undefined && this.requestBytes > limit.bytes && this.exchange !== undefined) {
      this.abandon();
      if (this.isAnswered) return this.fail(bodyTooLarge);
      return this.answerReply(limit.tooLarge(this.exchange));
    }
    this.copy?.takeRequest(bytes);
    this.#kept?.add(bytes);
    if (this.#call === undefined) this.pauseBody();
    else if (!this.#call.write(bytes)) this.pauseBody();
  }

  protected takeBodyEnd(trailers: readonly string[]): void {
    if (this.isOver) return;
    this.#isBodyEnded = true;
    this.copy?.endRequest();
    this.#bodyTrailers = trailers;
    this.#call?.end(trailers);
  }

  get isBodyRead(): boolean {
    return this.arrival.fields.bodyLength === 0 || this.#isBodyEnded || this.#loaded !== undefined;
  }

  onDrain(): void {
    if (!this.isOver && this.#hasBodyBegun) this.resumeBody();
  }

  protected onClientDrain(): void {
    this.#call?.resume();
  }

  onInformational(head: ResponseHead): void {
    if (!this.isOver) this.sendInformational(head);
  }

  onHead(head: ResponseHead, isBodyNext: boolean): void {
    const { pipeline } = this;
    if (pipeline?.breaker !== undefined || pipeline?.retry !== undefined) {
      const outcome: AttemptOutcome = { kind: "response", status: head.status, header: (name) => valueOf(head, name) };
      this.#leaveBreaker(outcome);
      if (this.#repeatBy(outcome)) return;
    }
    if (head.isEventStream) this.#stopTotal();
    this.answeredBy = this.#replica?.endpoint.replicaId ?? "";
    this.passHead(head, isBodyNext);
  }

  onBody(bytes: Buffer, isLast: boolean): boolean {
    return this.isOver || this.passBody(bytes, isLast);
  }

  onEnd(trailers: readonly string[]): void {
    this.#call = undefined;
    this.#release();
    this.passEnd(trailers.length === 0 ? trailers : safeTrailers(trailers));
  }

  onFailure(failure: UpstreamFailure, _detail: string): void {
    const replica = this.#replica;
    this.#call = undefined;
    this.#release();
    if (this.isOver) return;
    this.#leaveBreaker(outcomeOf(failure));
    if (this.isAnswered) return this.fail(problems[failure]);
    if (failure === "unreachable" && replica !== undefined) {
      replica.avoidUntilMs = this.context.nowMs + avoidMs;
      this.#tried = [...this.#tried, replica];
      const mayGoOn = this.#canSendAgain() && this.ready.some((other) => !this.#tried.includes(other));
      if (mayGoOn) return this.#tryReplica("any");
    }
    if (failure === "stale" && !this.#hasRepeatedStale && isIdempotent(this.arrival.method) && this.#canSendAgain()) {
      this.#hasRepeatedStale = true;
      return this.#tryReplica("fresh", replica);
    }
    if (this.#repeatBy(outcomeOf(failure))) return;
    this.fail(problems[failure]);
  }

  /** A retry policy decides. */
  #repeatBy(outcome: AttemptOutcome): boolean {
    const { pipeline, exchange } = this;
    const { retry } = pipeline ?? {};
    if (retry === undefined || exchange === undefined || this.#attempt >= retry.attempts || !this.#canSendAgain()) {
      return false;
    }
    const delayMs = retry.delayMs(exchange, this.#attempt, outcome);
    if (delayMs === undefined) return false;
    this.#stopCall();
    this.#tried = noReplicas;
    this.#cancelPause = this.context.after(delayMs, () => {
      if (!this.isOver) this.#tryReplica("any");
    });
    return true;
  }

  #canSendAgain(): boolean {
    return (
      this.arrival.fields.bodyLength === 0 ||
      this.#loaded !== undefined ||
      !this.#hasBodyBegun ||
      this.#kept?.isWhole === true
    );
  }

  #leaveBreaker(outcome: AttemptOutcome | { readonly kind: "abandoned" }): void {
    const endpoint = this.#enteredAt;
    if (endpoint === "" || this.exchange === undefined) return;
    this.#enteredAt = "";
    this.pipeline?.breaker?.leave(this.exchange, endpoint, outcome);
  }

  #release(): void {
    const replica = this.#replica;
    if (replica === undefined) return;
    this.#replica = undefined;
    replica.inFlight -= 1;
    this.context.onReplicaReleased(replica);
  }

  #stopCall(): void {
    this.#call?.abort();
    this.#call = undefined;
    this.#release();
  }

  #stopTotal(): void {
    this.#cancelTotal?.();
    this.#cancelTotal = undefined;
  }

  protected abandon(): void {
    this.#stopCall();
    this.#leaveBreaker({ kind: "abandoned" });
  }

  protected override finish(outcome: "complete" | "broken"): void {
    if (this.isOver) return;
    this.#stopTotal();
    this.#cancelPause?.();
    super.finish(outcome);
  }
}

function outcomeOf(failure: UpstreamFailure): AttemptOutcome {
  if (failure === "unreachable" || failure === "busy") return { kind: "connect_failed" };
  return { kind: failure === "timeout" ? "timeout" : "reset" };
}

function valueOf(head: ResponseHead, name: string): string | undefined {
  return headerValue(head.headers, name);
}
