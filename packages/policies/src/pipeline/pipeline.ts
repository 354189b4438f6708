import type { Enforcement, ResponseTap } from "./enforcement.ts";
import type { Exchange, ExchangeEnd, LoadedBody, ResponseHead } from "./exchange.ts";
import { refuse, type PolicyIdentity, type Reply } from "./reply.ts";
import type { CircuitBreaker, RetryPlan, UpstreamTimeouts } from "./upstream-behaviour.ts";

/** A policy in its place. */
export interface PipelineStep {
  readonly identity: PolicyIdentity;
  readonly enforcement: Enforcement;
}

/** A hook of a policy failed. */
export type ReportFailure = (policy: PolicyIdentity, thrown: unknown) => void;

type RequestHook = (exchange: Exchange) => Reply | undefined | Promise<Reply | undefined>;

const passes: RequestHook = () => undefined;

/**
 * The policies that apply to one kind of request, in order. Nothing that a policy does comes out as an exception: a throw is
 * a refusal with 500 POLICY_FAILED that names the policy.
 */
export class Pipeline {
  readonly #steps: readonly PipelineStep[];
  readonly #hooks: readonly RequestHook[];
  readonly #report: ReportFailure;
  readonly timeouts: UpstreamTimeouts | undefined;
  readonly retry: RetryPlan | undefined;
  readonly breaker: CircuitBreaker | undefined;
  /** The shortest of its policies' limits on streamed bodies. */
  readonly streamLimit: Enforcement["streamLimit"];
  /** Whether onResponse, tapResponse or onEnd do anything: a gateway may leave the call out. */
  readonly hasResponseHooks: boolean;
  readonly hasTaps: boolean;
  readonly hasEndHooks: boolean;

  constructor(steps: readonly PipelineStep[], report: ReportFailure) {
    this.#steps = steps;
    this.#hooks = steps.map((step) => requestHook(step));
    this.#report = report;
    const upstream = steps.flatMap(({ enforcement }) => (enforcement.upstream ? [enforcement.upstream] : []));
    this.timeouts = upstream.find((part) => part.timeouts)?.timeouts;
    this.retry = upstream.find((part) => part.retry)?.retry;
    this.breaker = upstream.find((part) => part.breaker)?.breaker;
    this.streamLimit = steps
      .flatMap(({ enforcement }) => (enforcement.streamLimit ? [enforcement.streamLimit] : []))
      .toSorted((one, other) => one.bytes - other.bytes)[0];
    this.hasResponseHooks = steps.some(({ enforcement }) => enforcement.onResponse);
    this.hasTaps = steps.some(({ enforcement }) => enforcement.tapResponse);
    this.hasEndHooks = steps.some(({ enforcement }) => enforcement.onEnd);
  }

  /** Policies in it. */
  get length(): number {
    return this.#steps.length;
  }

  /** Run the policies: undefined sends the request upstream. A promise only if a policy had to wait; it never rejects. */
  onRequest(exchange: Exchange): Reply | undefined | Promise<Reply | undefined> {
    return this.#run(exchange, 0);
  }

  #run(exchange: Exchange, from: number): Reply | undefined | Promise<Reply | undefined> {
    const hooks = this.#hooks;
    try {
      for (let index = from; index < hooks.length; index += 1) {
        exchange.reached = index + 1;
        // The index is below the length.
        const verdict = (hooks[index] ?? passes)(exchange);
        if (verdict !== undefined) {
          if (verdict instanceof Promise) return this.#wait(exchange, index, verdict);
          exchange.reply = verdict;
          return verdict;
        }
      }
      return undefined;
    } catch (error) {
      return this.#fail(exchange, exchange.reached - 1, error);
    }
  }

  async #wait(exchange: Exchange, index: number, pending: Promise<Reply | undefined>): Promise<Reply | undefined> {
    try {
      const verdict = await pending;
      if (verdict === undefined) return await this.#run(exchange, index + 1);
      exchange.reply = verdict;
      return verdict;
    } catch (error) {
      return this.#fail(exchange, index, error);
    }
  }

  /**
   * Let policies change the head of a response, in reverse order, those that ran on the request. Call it for every response
   * of the exchange, replies of policies included. A reply is to be sent instead of that response, as it is.
   */
  onResponse(exchange: Exchange, response: ResponseHead): Reply | undefined {
    for (let index = exchange.reached - 1; index >= 0; index -= 1) {
      const hook = this.#steps[index]?.enforcement.onResponse;
      if (hook !== undefined) {
        try {
          hook(exchange, response);
        } catch (error) {
          return this.#fail(exchange, index, error);
        }
      }
    }
    return undefined;
  }

  /** Whoever wants to see the response's body. After onResponse. */
  tapResponse(exchange: Exchange, response: ResponseHead): ResponseTap | undefined {
    const taps: { readonly identity: PolicyIdentity; readonly tap: ResponseTap }[] = [];
    for (const { identity, enforcement } of this.#steps.slice(0, exchange.reached)) {
      this.#guard(identity, () => {
        const tap = enforcement.tapResponse?.(exchange, response);
        if (tap) taps.push({ identity, tap });
      });
    }
    if (taps.length === 0) return undefined;
    const each = (use: (tap: ResponseTap) => void): void => {
      for (const { identity, tap } of taps) this.#guard(identity, () => use(tap));
    };
    return {
      chunk: (bytes) => each((tap) => tap.chunk(bytes)),
      end: (isComplete) => each((tap) => tap.end(isComplete)),
    };
  }

  /** Tell policies how it ended; once per exchange on which onRequest was called. */
  onEnd(exchange: Exchange, end: ExchangeEnd): void {
    for (let index = exchange.reached - 1; index >= 0; index -= 1) {
      const step = this.#steps[index];
      if (step?.enforcement.onEnd) this.#guard(step.identity, () => step.enforcement.onEnd?.(exchange, end));
    }
  }

  #guard(identity: PolicyIdentity, use: () => void): void {
    try {
      use();
    } catch (error) {
      this.#report(identity, error);
    }
  }

  #fail(exchange: Exchange, index: number, thrown: unknown): Reply {
    // A hook of that index threw, so there is a step.
    const identity = this.#steps[index]?.identity ?? { policyId: "", policyName: "", policyType: "" };
    this.#report(identity, thrown);
    const reply = refuse(identity, exchange.id, {
      status: 500,
      reason: "policy_failed",
      title: "The request could not be checked",
    });
    exchange.reply = reply;
    return reply;
  }
}

/** The policy's hook; behind the loading of the body if the policy reads it. */
function requestHook({ identity, enforcement }: PipelineStep): RequestHook {
  const hook = enforcement.onRequest ?? passes;
  const limit = enforcement.bodyBytes ?? 0;
  if (limit === 0) return hook;
  const decide = (exchange: Exchange, loaded: LoadedBody): ReturnType<RequestHook> => {
    if (loaded === "too_large") return tooLarge(identity, exchange, limit);
    exchange.body = loaded;
    return hook(exchange);
  };
  return (exchange) => {
    // Read for an earlier policy: only the length is left to judge.
    if (exchange.body !== undefined) {
      return exchange.body.length > limit ? tooLarge(identity, exchange, limit) : hook(exchange);
    }
    if (exchange.contentLength !== undefined && exchange.contentLength > limit)
      return tooLarge(identity, exchange, limit);
    const loaded = exchange.loadBody(limit);
    return loaded instanceof Promise ? loaded.then((body) => decide(exchange, body)) : decide(exchange, loaded);
  };
}

function tooLarge(identity: PolicyIdentity, exchange: Exchange, limit: number): Reply {
  return refuse(identity, exchange.id, {
    status: 413,
    reason: "body_too_large",
    title: "The body is too large",
    detail: `At most ${limit} bytes are accepted here.`,
  });
}
