import {
  Exchange,
  ResponseHead as PolicyResponse,
  type Pipeline,
  type Reply,
  type ResponseTap,
} from "@drawbridge/policies";
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
import type { ResponseHead } from "../upstream/response-head.ts";
import { areSafeFields } from "./outgoing-request.ts";
import { recordOf, type Disposition } from "./request-record.ts";
import type { Arrival, RequestContext } from "./request-context.ts";

/** Who made the answer. */
type Origin = "upstream" | "policy" | "gateway";

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
  #apiId = "";
  #status = 0;
  #origin: Origin = "gateway";
  #disposition: Disposition = "error";
  #policyName = "";
  #tap: ResponseTap | undefined = undefined;
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
    this.#receivedAtMs = this.context.wallMs();
    this.#startedMs = this.context.preciseMs();
    if (plan.plan === "blocked") {
      this.#disposition = "blocked";
      return this.answerProblem(blocked(plan.reason));
    }
    this.ready = plan.ready;
    if (plan.api === undefined) return this.#forwardIfReady();
    this.#apiId = plan.api.apiId;
    const pipeline = plan.api.pipeline(method, plan.relativePath);
    if (pipeline.length === 0) return this.#forwardIfReady();
    this.pipeline = pipeline;
    const exchange = this.#policyExchange(plan.relativePath);
    this.exchange = exchange;
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
    if (!areSafeFields(this.arrival.fields.fields)) return this.fail(gatewayFailed);
    this.#forwardIfReady();
  }

  #forwardIfReady(): void {
    if (this.ready.length === 0) return this.answerProblem(replicaUnavailable);
    this.forward();
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
    this.#disposition = "processed";
    this.isAnswered = true;
    this.sendHead({
      status,
      reason: status === head.status ? head.reason : "",
      headers,
      length: head.contentLength,
      hasBody: head.framing !== "none",
    });
    if (!isBodyNext) this.flushHead();
  }

  protected passBody(bytes: Uint8Array, isLast: boolean): boolean {
    this.responseBytes += bytes.length;
    this.#tap?.chunk(bytes);
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
    this.#disposition =
      reply.reason === "policy_failed" ? "error" : reply.isViolation ? "policy_violation" : "processed";
    this.#policyName = reply.isViolation ? reply.policyName : "";
    this.#sendWhole(reply.status, [...reply.headers], reply.body);
  }

  /** Answer with the problem, or break off where an answer has begun. */
  protected fail(problem: Problem): void {
    if (this.isOver) return;
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
    this.sendHead({ status, reason: "", headers, length: isWithoutLength ? -1 : bytes.length, hasBody });
    if (hasBody) {
      this.responseBytes += bytes.length;
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
    this.#tap?.end(outcome === "complete");
    if (pipeline?.hasEndHooks === true && exchange !== undefined) {
      pipeline.onEnd(exchange, {
        status: this.#status,
        origin: this.#origin,
        isComplete: outcome === "complete",
        durationMs: context.preciseMs() - this.#startedMs,
        requestBytes: this.requestBytes,
        responseBytes: this.responseBytes,
      });
    }
    if (gate === undefined) return;
    context.record(
      recordOf({
        gateId: gate.gateId,
        apiId: this.#apiId,
        requestId: this.requestId,
        clientId: exchange?.client?.clientId ?? "",
        receivedAt: this.#receivedAtMs,
        durationMs: context.preciseMs() - this.#startedMs,
        arrival: this.arrival,
        status: this.#status,
        bytesIn: this.requestBytes,
        bytesOut: this.responseBytes,
        disposition: this.#disposition,
        policyName: this.#policyName,
      }),
    );
  }
}
