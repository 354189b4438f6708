/** What the gateway itself answers, as problem+json (RFC 9457). Tells the client nothing about what is behind it. */
export interface Problem {
  readonly status: number;
  readonly code:
    | "REQUEST_MALFORMED"
    | "REQUEST_HEAD_TOO_LARGE"
    | "REQUEST_BODY_TOO_LARGE"
    | "REQUEST_TOO_SLOW"
    | "ROUTE_NOT_FOUND"
    | "REQUEST_MISDIRECTED"
    | "GATEKEEPER_BLOCKED"
    | "GATEWAY_OVERLOADED"
    | "GATEWAY_FAILED"
    | "REPLICA_UNAVAILABLE"
    | "REPLICA_CONNECTION_LOST"
    | "REPLICA_ANSWER_MALFORMED"
    | "REPLICA_TOO_SLOW";
  readonly title: string;
  readonly detail: string;
  /** Only of GATEKEEPER_BLOCKED. */
  readonly reason?: string;
  readonly retryAfterSeconds?: number;
  /** Who says it. */
  readonly origin: "gateway" | "gatekeeper" | "policy";
}

export function malformed(detail: string): Problem {
  return { status: 400, code: "REQUEST_MALFORMED", title: "Bad Request", detail, origin: "gateway" };
}

export const headTooLarge: Problem = {
  status: 431,
  code: "REQUEST_HEAD_TOO_LARGE",
  title: "Request Header Fields Too Large",
  detail: "The head of the request is larger than the gateway takes.",
  origin: "gateway",
};

export const targetTooLong: Problem = {
  status: 414,
  code: "REQUEST_HEAD_TOO_LARGE",
  title: "URI Too Long",
  detail: "The request target is longer than the gateway takes.",
  origin: "gateway",
};

export const bodyTooLarge: Problem = {
  status: 413,
  code: "REQUEST_BODY_TOO_LARGE",
  title: "Content Too Large",
  detail: "The body is larger than the gateway takes.",
  origin: "gateway",
};

export const requestTooSlow: Problem = {
  status: 408,
  code: "REQUEST_TOO_SLOW",
  title: "Request Timeout",
  detail: "The request did not arrive in time.",
  origin: "gateway",
};

export const routeNotFound: Problem = {
  status: 404,
  code: "ROUTE_NOT_FOUND",
  title: "Not Found",
  detail: "Nothing is served under this host and path.",
  origin: "gateway",
};

/** RFC 9110 15.5.20: the client may ask again on a connection of its own. */
export const misdirected: Problem = {
  status: 421,
  code: "REQUEST_MISDIRECTED",
  title: "Misdirected Request",
  detail: "The host of the request is not the one that this connection was opened for.",
  origin: "gateway",
};

export const overloaded: Problem = {
  status: 503,
  code: "GATEWAY_OVERLOADED",
  title: "Service Unavailable",
  detail: "The gateway has more requests than it can serve.",
  retryAfterSeconds: 1,
  origin: "gateway",
};

export const gatewayFailed: Problem = {
  status: 500,
  code: "GATEWAY_FAILED",
  title: "Internal Server Error",
  detail: "The gateway could not handle the request.",
  origin: "gateway",
};

export const replicaUnavailable: Problem = {
  status: 503,
  code: "REPLICA_UNAVAILABLE",
  title: "Service Unavailable",
  detail: "No replica of the app can take the request.",
  retryAfterSeconds: 1,
  origin: "gateway",
};

export const replicaConnectionLost: Problem = {
  status: 502,
  code: "REPLICA_CONNECTION_LOST",
  title: "Bad Gateway",
  detail: "The replica broke the connection before it answered; it may have done the work.",
  origin: "gateway",
};

export const replicaAnswerMalformed: Problem = {
  status: 502,
  code: "REPLICA_ANSWER_MALFORMED",
  title: "Bad Gateway",
  detail: "The answer of the replica cannot be passed on without doubt about where it ends.",
  origin: "gateway",
};

export const replicaTooSlow: Problem = {
  status: 504,
  code: "REPLICA_TOO_SLOW",
  title: "Gateway Timeout",
  detail: "The replica did not answer in time; it may have done the work.",
  origin: "gateway",
};

const blockedDetails: Readonly<Record<string, string>> = {
  initializing: "The policies of this API are not in force yet.",
  offline: "The policies of this API could not be fetched yet.",
  policy_error: "A policy of this API cannot be applied.",
  unresolved: "This API is not known.",
};

export function blocked(reason: "initializing" | "offline" | "policy_error" | "unresolved"): Problem {
  return {
    status: 503,
    code: "GATEKEEPER_BLOCKED",
    title: "Service Unavailable",
    detail: blockedDetails[reason] ?? "",
    reason,
    retryAfterSeconds: 5,
    origin: "gatekeeper",
  };
}

export function problemBody(problem: Problem, requestId: string): string {
  const { code, title, status, detail, reason } = problem;
  return JSON.stringify({
    type: `urn:drawbridge:error:${code}`,
    title,
    status,
    detail,
    ...(requestId !== "" && { instance: requestId }),
    ...(reason !== undefined && { reason }),
    code,
  });
}

/** Without framing. */
export function problemHeaders(problem: Problem): string[] {
  const headers = [
    "content-type",
    "application/problem+json",
    "cache-control",
    "no-store",
    "x-gateway-origin",
    problem.origin,
  ];
  if (problem.retryAfterSeconds !== undefined) headers.push("retry-after", String(problem.retryAfterSeconds));
  return headers;
}
