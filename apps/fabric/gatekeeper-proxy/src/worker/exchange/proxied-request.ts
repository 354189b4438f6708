import {
  Exchange,
  ResponseHead as PolicyResponse,
  type Pipeline,
  type Reply,
  type ResponseOrigin,
  type ResponseTap,
} from "@drawbridge/policies";
import { Disposition } from "@drawbridge/contracts/analytics/v1/request_batch";
import { dispositionOf } from "../analytics/disposition-of.ts";
import { toldVerb } from "../analytics/request-recorder.ts";
import {
  blocked,
  gatewayFailed,
  problemBody,
  problemHeaders,
  replicaUnavailable,
  type Problem,
} from "../request/problem.ts";
import { planRequest, type AppRoute } from "../route/app-route.ts";
import type { GatePoint } from "../route/gate-point.ts";
import type { Replica } from "../route/replica.ts";
import type { ExchangeCopy } from "../insight/exchange-copy.ts";
import { keepPiece } from "../upstream/body-piece.ts";
import type { ResponseHead } from "../upstream/response-head.ts";
import { areSafeFields } from "./outgoing-request.ts";
import type { Arrival, RequestContext } from "./request-context.ts";

const noPieces: readonly string[] = [];

/*
 * A request from its head to the last byte of its answer: plan, policies, then `forward`, which a subclass does. How the
 * client is answered is the other subclasses' part (HTTP/1.1, upgrade, HTTP/2).
 *
 * Invariants:
 * - Nothing goes upstream before the gate is open and every policy has let the request pass (GK 1).
 * - One head and one end are sent to the client, or its connection is broken off: never a false end.
 * - `finish` runs once; after it nothing that comes late has an effect.
 */
export abstract class ProxiedRequest {
  readonly context: RequestContext;
  readonly arrival: Arrival;
  readonly requestId: string;
  protected gate: GatePoint | undefined = undefined;
  protected pipeline: Pipeline | undefined = undefined;
  protected exchange: Exchange | undefined = undefined;
  protected ready: readonly Replica[] = [];
  protected isOver = false;
  /** The head of an answer is on its way to the client. */
  protected isAnswered = false;
  protected requestBytes = 0;
  protected responseBytes = 0;
  /** Replica that answered. */
  protected answeredBy = "";
  /** Monotonic, when the app was asked first; 0 if it was not. */
  #forwardedAtMs = 0;
  #appId = "";
  /** Replica that was asked last. */
  #asked = "";
  #hasNoReplica = false;
  #hasFailed = false;
  #isTold = false;
  #isCounted = false;
  #relativePath = "";
  #resource = "";
  #status = 0;
  #origin: ResponseOrigin = "gateway";
  #disposition: Disposition = Disposition.DISPOSITION_ERROR;
  #violated: { readonly policyId: string; readonly name: string } | undefined = undefined;
  #tap: ResponseTap | undefined = undefined;
  /** Where a capture runs that it may meet. */
  protected copy: ExchangeCopy | undefined = undefined;
  /** As the parser gave them. */
  #fieldsBefore: readonly string[] = noPieces;
  #receivedAtMs = 0;
  #startedMs = 0;

  constructor(context: RequestContext, arrival: Arrival) {
    this.context = context;
    this.arrival = arrival;
    const given = arrival.fields.requestId;
    this.requestId = given !== "" && /^[A-Za-z0-9._:-]{1,128}$/.test(given) ? given : context.newRequestId();
  }

  get hasAnswered(): boolean {
    return this.isAnswered;
  }

  /** Length unknown: -1. Without body: `hasBody` is false, and the length is told if it is not negative. */
  protected abstract sendHead(head: {
    status: number;
    reason: string;
    headers: string[];
    length: number;
    hasBody: boolean;
  }): void;
  /** What was given to sendHead must reach the client though no body follows at once. */
  protected abstract flushHead(): void;
  protected abstract sendBody(bytes: Uint8Array, isLast: boolean): boolean;
  protected abstract sendEnd(trailers: readonly string[]): void;
  protected abstract breakOff(): void;
  /** All of the client's body, or that it is too large. */
  protected abstract collectBody(limitBytes: number): Promise<Uint8Array | "too_large">;
  /** Take it off the list of its connection. */
  protected abstract onOver(): void;
  protected abstract forward(): void;
  /** Stop what goes on upstream. */
  protected abstract abandon(): void;

  /** Never throws. */
  begin(app: AppRoute): void {
    this.context.onRequestBegun();
    this.#appId = app.appId;
    try {
      this.#judge(app);
    } catch (error) {
      this.context.onFault(error);
      this.fail(gatewayFailed);
    }
  }

  #judge(app: AppRoute): void {
    const { method, target } = this.arrival;
    const plan = planRequest(app, method, target.path);
    if (plan.plan === "untracked") {
      this.ready = plan.ready;
      return this.#forwardIfReady();
    }
    this.gate = plan.gate;
    this.#isTold = plan.gate.reporting !== undefined;
    if (this.#isTold) this.context.onToldBegun();
    this.#startedMs = this.context.preciseMs();
    this.#receivedAtMs = this.context.wallAt(this.#startedMs);
    this.#relativePath = plan.relativePath;
    this.#resource = plan.resource;
    if (plan.plan === "blocked") {
      this.#disposition = Disposition.DISPOSITION_BLOCKED;
      return this.answerProblem(blocked(plan.reason));
    }
    this.ready = plan.ready;
    this.copy = plan.gate.captures && this.context.insight?.begin(plan.gate.captures, this.arrival, plan);
    if (plan.api === undefined) return this.#forwardIfReady();
    const pipeline = plan.api.pipeline(method, plan.relativePath);
    if (pipeline.length === 0) return this.#forwardIfReady();
    this.pipeline = pipeline;
    const exchange = this.#policyExchange(plan.relativePath);
    this.exchange = exchange;
    this.#fieldsBefore = this.arrival.fields.fields.slice();
    const verdict = pipeline.onRequest(exchange);
    if (verdict === undefined) return this.#forwardJudged();
    if (!(verdict instanceof Promise)) return this.answerReply(verdict);
    verdict.then(
      (later) => this.#guarded(() => (later === undefined ? this.#forwardJudged() : this.answerReply(later))),
      (error: unknown) => this.#guarded(() => Promise.reject(error)),
    );
  }

  #guarded(use: () => unknown): void {
    if (this.isOver) return;
    try {
      const result = use();
      if (result instanceof Promise) result.catch((error: unknown) => this.#onFault(error));
    } catch (error) {
      this.#onFault(error);
    }
  }

  #onFault(error: unknown): void {
    this.context.onFault(error);
    this.fail(gatewayFailed);
  }

  #policyExchange(relativePath: string): Exchange {
    const { method, target, fields, peerAddress, clientAddress, isTls } = this.arrival;
    return new Exchange({
      id: this.requestId,
      method,
      authority: fields.host.toLowerCase(),
      path: target.path,
      relativePath,
      query: target.search.slice(1),
      rawHeaders: fields.fields,
      peerAddress,
      clientAddress,
      isTls,
      nowMs: this.#receivedAtMs,
      monotonicMs: this.#startedMs,
      contentLength: fields.bodyLength < 0 ? undefined : fields.bodyLength,
      loadBody: (limit) => (fields.bodyLength === 0 ? new Uint8Array() : this.collectBody(limit)),
    });
  }

  #forwardJudged(): void {
    if (!areSafeFields(this.arrival.fields.fields, this.#fieldsBefore)) return this.fail(gatewayFailed);
    this.#forwardIfReady();
  }

  #forwardIfReady(): void {
    this.#hasNoReplica = this.ready.length === 0;
    if (this.#hasNoReplica) return this.answerProblem(replicaUnavailable);
    this.forward();
  }

  /** A replica is asked now. */
  protected markForwarded(replicaId: string): void {
    this.#asked = replicaId;
    if (this.#forwardedAtMs === 0) this.#forwardedAtMs = this.context.preciseMs();
  }

  /** A message of the app is over (MON); what the gateway itself answers is none. Once. */
  protected countMessage(nowMs = this.context.preciseMs()): void {
    if (this.#isCounted || (this.#forwardedAtMs === 0 && !this.#hasNoReplica)) return;
    this.#isCounted = true;
    this.context.countMessage({
      appId: this.#appId,
      replicaId: this.#asked,
      isError: this.#hasFailed || this.#status >= 500,
      durationMs: this.#forwardedAtMs === 0 ? 0 : nowMs - this.#forwardedAtMs,
    });
  }

  /** The answer of a replica, or of a policy in its place, begins. */
  protected passHead(head: ResponseHead, isBodyNext: boolean): void {
    const { pipeline, exchange } = this;
    const { headers } = head;
    let { status } = head;
    if (pipeline !== undefined && exchange !== undefined && (pipeline.hasResponseHooks || pipeline.hasTaps)) {
      const response = new PolicyResponse(status, headers, "upstream");
      const reply = pipeline.hasResponseHooks ? pipeline.onResponse(exchange, response) : undefined;
      if (reply !== undefined || !areSafeFields(headers)) {
        this.abandon();
        return reply === undefined ? this.fail(gatewayFailed) : this.#sendReply(reply);
      }
      if (pipeline.hasTaps) this.#tap = pipeline.tapResponse(exchange, response);
      status = response.status;
    }
    this.#status = status;
    this.#origin = "upstream";
    this.#disposition = Disposition.DISPOSITION_PROCESSED;
    this.isAnswered = true;
    this.copy?.takeHead(headers);
    this.sendHead({
      status,
      reason: status === head.status ? head.reason : "",
      headers,
      length: head.contentLength,
      hasBody: head.framing !== "none",
    });
    if (!isBodyNext) this.flushHead();
  }

  protected get isAnswerSeen(): boolean {
    return this.#tap !== undefined || this.copy !== undefined;
  }

  protected passBody(bytes: Uint8Array, isLast: boolean): boolean {
    this.responseBytes += bytes.length;
    this.copy?.takeResponse(bytes);
    if (this.#tap !== undefined) {
      keepPiece(bytes);
      this.#tap.chunk(bytes);
    }
    return this.sendBody(bytes, isLast);
  }

  protected passEnd(trailers: readonly string[]): void {
    this.sendEnd(trailers);
    this.finish("complete");
  }

  /** A policy's answer; response hooks run for it too. */
  protected answerReply(reply: Reply): void {
    const { pipeline, exchange } = this;
    if (pipeline?.hasResponseHooks !== true || exchange === undefined) return this.#sendReply(reply);
    const response = new PolicyResponse(reply.status, [...reply.headers], "policy");
    const failure = pipeline.onResponse(exchange, response);
    this.#sendReply(failure ?? { ...reply, status: response.status, headers: response.rawHeaders });
  }

  #sendReply(reply: Reply): void {
    if (!areSafeFields(reply.headers)) return this.fail(gatewayFailed);
    this.#origin = "policy";
    this.#disposition = dispositionOf(reply);
    this.#violated = reply.isViolation ? { policyId: reply.policyId, name: reply.policyName } : undefined;
    this.#sendWhole(reply.status, [...reply.headers], reply.body);
  }

  /** Answer with the problem, or break off where an answer has begun. */
  protected fail(problem: Problem): void {
    if (this.isOver) return;
    this.#hasFailed = problem.status >= 500;
    this.abandon();
    if (!this.isAnswered) return this.answerProblem(problem);
    this.breakOff();
    this.finish("broken");
  }

  protected answerProblem(problem: Problem): void {
    const { pipeline, exchange } = this;
    const headers = problemHeaders(problem);
    const body = problemBody(problem, this.requestId);
    if (pipeline?.hasResponseHooks === true && exchange !== undefined) {
      const response = new PolicyResponse(problem.status, headers, "gateway");
      const failure = pipeline.onResponse(exchange, response);
      if (failure !== undefined) return this.#sendReply(failure);
      if (!areSafeFields(headers)) return this.#sendWhole(problem.status, problemHeaders(problem), body);
    }
    this.#sendWhole(problem.status, headers, body);
  }

  #sendWhole(status: number, headers: string[], body: string | Uint8Array | undefined): void {
    const bytes = typeof body === "string" ? Buffer.from(body) : (body ?? new Uint8Array());
    const mayHaveBody = status !== 204 && status !== 304 && this.arrival.method !== "HEAD";
    const hasBody = mayHaveBody && bytes.length > 0;
    // RFC 9110, section 8.6: of a 304 it would be the length of the body that it stands for.
    const isWithoutLength = status === 204 || status === 304;
    this.#status = status;
    this.isAnswered = true;
    this.copy?.takeHead(headers);
    this.sendHead({ status, reason: "", headers, length: isWithoutLength ? -1 : bytes.length, hasBody });
    if (hasBody) {
      this.responseBytes += bytes.length;
      this.copy?.takeResponse(bytes);
      this.sendBody(bytes, true);
    }
    this.sendEnd(noPieces);
    this.finish("complete");
  }

  /** The client's connection is gone. */
  onClientGone(): void {
    if (this.isOver) return;
    this.abandon();
    this.finish("broken");
  }

  protected finish(outcome: "complete" | "broken"): void {
    if (this.isOver) return;
    this.isOver = true;
    this.onOver();
    const { gate, pipeline, exchange, context } = this;
    context.onRequestOver();
    if (this.#isTold) context.onToldOver();
    const endedAtMs = context.preciseMs();
    this.countMessage(endedAtMs);
    this.#tap?.end(outcome === "complete");
    if (pipeline?.hasEndHooks === true && exchange !== undefined) {
      pipeline.onEnd(exchange, {
        status: this.#status,
        origin: this.#origin,
        isComplete: outcome === "complete",
        durationMs: endedAtMs - this.#startedMs,
        requestBytes: this.requestBytes,
        responseBytes: this.responseBytes,
      });
    }
    if (gate === undefined) return;
    const { verdict } = gate;
    if (verdict.verdict === "open" && verdict.sightings !== undefined && this.#origin === "upstream") {
      verdict.sightings.see(this.arrival.method, this.#relativePath, this.#status);
    }
    this.#record(gate, endedAtMs);
    this.copy?.end({
      isComplete: outcome === "complete",
      replica: this.answeredBy,
      clientApplication: exchange?.client?.clientName ?? "",
      receivedAtMs: this.#receivedAtMs,
      status: this.#status,
      disposition: this.#disposition,
      violatedPolicy: this.#violated?.name ?? "",
      latencyMs: endedAtMs - this.#startedMs,
      upstreamMs: this.#forwardedAtMs === 0 ? 0 : endedAtMs - this.#forwardedAtMs,
    });
  }

  /** Numbers and names of a tracked request (ANA 2), never what it held. */
  #record({ reporting }: GatePoint, endedAtMs: number): void {
    const { context, arrival } = this;
    const durationMs = endedAtMs - this.#startedMs;
    context.count(this.#disposition, durationMs);
    if (reporting === undefined) return;
    context.record({
      receivedAtMs: this.#receivedAtMs,
      instance: reporting.instance,
      application: this.exchange?.client?.clientName ?? "",
      resourcePath: reporting.resourcePath(this.#resource, this.#relativePath),
      verb: toldVerb(arrival.method),
      status: this.#status,
      disposition: this.#disposition,
      policy: this.#violated,
      latencyUs: Math.round(durationMs * 1_000),
      upstreamUs: this.#forwardedAtMs === 0 ? 0 : Math.round((endedAtMs - this.#forwardedAtMs) * 1_000),
      requestBytes: this.requestBytes,
      responseBytes: this.responseBytes,
      clientAddress: arrival.clientAddress,
      userAgent: arrival.fields.userAgent,
      replica: this.answeredBy,
    });
  }
}
