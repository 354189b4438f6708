import type { HeaderList } from "./header-list.ts";

/**
 * A response that a policy gives instead of the upstream. With `isViolation` it is a refusal, counted against the policy in
 * analytics; without, an answer of its own (CORS preflight, cached response).
 */
export interface Reply {
  readonly status: number;
  /** Complete but for framing (content-length, transfer-encoding, connection, date), which is the gateway's. */
  readonly headers: HeaderList;
  readonly body: string | Uint8Array | undefined;
  readonly isViolation: boolean;
  /** Of the policy that answered. */
  readonly policyId: string;
  readonly policyName: string;
  readonly policyType: string;
  /** Stable, lower snake case: "rate_limited". For analytics and logs. */
  readonly reason: string;
}

/** A reply whose body is problem+json (RFC 9457). */
export type Refusal = Reply;

export interface RefuseOptions {
  /** 400 to 599. */
  readonly status: number;
  /** Stable, lower snake case, listed in the README of this package. */
  readonly reason: string;
  /** For the caller; a fixed text without input or secrets. */
  readonly title: string;
  readonly detail?: string;
  /** Further headers, flat: name, value, ... */
  readonly headers?: readonly string[];
}

export interface AnswerOptions {
  readonly status: number;
  readonly reason: string;
  readonly headers: readonly string[];
  readonly body?: string | Uint8Array;
}

export interface PolicyIdentity {
  readonly policyId: string;
  readonly policyName: string;
  readonly policyType: string;
}

/** A refusal as the caller sees it: which rule, never which policy or why in detail. `instance` is the request id. */
export function refuse(policy: PolicyIdentity, instance: string, options: RefuseOptions): Refusal {
  const body = JSON.stringify({
    type: `urn:drawbridge:error:${options.reason.toUpperCase()}`,
    title: options.title,
    status: options.status,
    detail: options.detail,
    instance,
  });
  return {
    status: options.status,
    headers: ["content-type", "application/problem+json", "x-gateway-origin", "policy", ...(options.headers ?? [])],
    body,
    isViolation: true,
    policyId: policy.policyId,
    policyName: policy.policyName,
    policyType: policy.policyType,
    reason: options.reason,
  };
}

/** An answer that is no violation. */
export function answer(policy: PolicyIdentity, options: AnswerOptions): Reply {
  return {
    status: options.status,
    headers: [...options.headers],
    body: options.body,
    isViolation: false,
    policyId: policy.policyId,
    policyName: policy.policyName,
    policyType: policy.policyType,
    reason: options.reason,
  };
}
