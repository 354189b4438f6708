import type { ServerResponse } from "node:http";
import type { Socket } from "node:net";
import { endLingering } from "@drawbridge/lifecycle";

/** What the front itself answers, as problem+json (RFC 9457). */
export interface Problem {
  readonly status: 400 | 502 | 503;
  readonly title: string;
  readonly code: "FRONT_REQUEST_REFUSED" | "APP_UNAVAILABLE" | "APP_CONNECTION_LOST";
  readonly detail: string;
}

const retryAfterSeconds = 1;

export const requestRefused: Problem = {
  status: 400,
  title: "Bad Request",
  code: "FRONT_REQUEST_REFUSED",
  detail: "The request target must be a path and there must be one Host header.",
};

export function appUnavailable(appName: string): Problem {
  return {
    status: 503,
    title: "Service Unavailable",
    code: "APP_UNAVAILABLE",
    detail: `No replica of ${appName} is ready.`,
  };
}

export function connectionLost(appName: string): Problem {
  return {
    status: 502,
    title: "Bad Gateway",
    code: "APP_CONNECTION_LOST",
    detail: `The replica of ${appName} closed the connection before it answered; it may have done the work.`,
  };
}

/** Answer with the problem, or cut the connection where an answer has begun: never a false end. */
export function sendProblem(response: ServerResponse, problem: Problem): void {
  if (response.headersSent) {
    response.destroy();
    return;
  }
  response.writeHead(problem.status, headersOf(problem));
  response.end(bodyOf(problem));
}

/** The same on a socket that asked for an upgrade and has no response object. */
export function writeProblem(socket: Socket, problem: Problem): void {
  const headers = Object.entries({ ...headersOf(problem), Connection: "close" });
  const head = [`HTTP/1.1 ${problem.status} ${problem.title}`, ...headers.map(([name, value]) => `${name}: ${value}`)];
  endLingering(socket, `${head.join("\r\n")}\r\n\r\n${bodyOf(problem)}`);
}

function headersOf(problem: Problem): Record<string, string> {
  return {
    "Content-Type": "application/problem+json",
    "Content-Length": String(Buffer.byteLength(bodyOf(problem))),
    "Cache-Control": "no-store",
    ...(problem.status === 503 && { "Retry-After": String(retryAfterSeconds) }),
  };
}

function bodyOf({ code, title, status, detail }: Problem): string {
  return JSON.stringify({ type: `urn:drawbridge:error:${code}`, title, status, detail, code });
}
