import { request as httpRequest, type Agent, type IncomingMessage, type ServerResponse } from "node:http";
import { pipeline } from "node:stream";
import { errorCode } from "@drawbridge/app-routes";
import { hasBody, isReplayable, isRoutableRequest, requestHeaders, responseHeaders } from "./forwarded-headers.ts";
import type { FrontTraffic } from "./front-traffic.ts";
import { appUnavailable, connectionLost, requestRefused, sendProblem, type Problem } from "./problem.ts";
import type { ReplicaPool, Upstream } from "./replica-pool.ts";

/** A replica is on this machine: what takes longer is a full backlog. */
export const connectTimeoutMs = 5_000;

/*
 * Invariants:
 * - The request's body is read only once a connection stands, so that a replica that cannot be reached costs nothing.
 * - A request is sent again only if it did not arrive, or if it is idempotent, without body, and died on a connection that
 *   had been idle before any byte of an answer.
 * - An answer that breaks off ends in a cut connection.
 */
export async function forwardRequest(
  request: IncomingMessage,
  response: ServerResponse,
  options: { readonly pool: ReplicaPool; readonly appName: string; readonly traffic: FrontTraffic },
): Promise<void> {
  const problem = await forwardToReplica(request, response, options);
  if (problem !== undefined) sendProblem(response, problem);
  request.unpipe().resume(); // a body that nobody wanted to read would block the connection for the next request
}

/** @returns what to tell the client where no replica has answered it. */
async function forwardToReplica(
  request: IncomingMessage,
  response: ServerResponse,
  options: { readonly pool: ReplicaPool; readonly appName: string; readonly traffic: FrontTraffic },
): Promise<Problem | undefined> {
  if (!isRoutableRequest(request)) return requestRefused;
  const ended = options.traffic.begin();
  const tried = new Set<string>();
  let connection: "pooled" | "new" = "pooled";
  for (;;) {
    const lease = options.pool.acquire(tried);
    if (lease === undefined) {
      ended({ replicaId: "", isError: true });
      return appUnavailable(options.appName);
    }
    const { replicaId } = lease.upstream;
    const outcome = await tryUpstream(request, response, { upstream: lease.upstream, connection }).finally(
      lease.release,
    );
    const isError = outcome !== "done" || (response.headersSent && response.statusCode >= 500);
    if (outcome !== "unreachable" && outcome !== "stale") ended({ replicaId, isError });
    if (outcome === "done" || outcome === "cut") return undefined;
    if (outcome === "broken") return connectionLost(options.appName);
    if (outcome === "unreachable") tried.add(replicaId);
    if (outcome === "stale") connection = "new";
  }
}

/** done: answered, or the client left. cut: its answer broke off. unreachable, stale: may be tried again. broken: may have arrived. */
type Outcome = "done" | "cut" | "unreachable" | "stale" | "broken";

function tryUpstream(
  request: IncomingMessage,
  response: ServerResponse,
  { upstream, connection }: { readonly upstream: Upstream; readonly connection: "pooled" | "new" },
): Promise<Outcome> {
  const mayRepeat = isReplayable(request);
  const { promise, resolve } = Promise.withResolvers<Outcome>();
  let isConnected = false;
  const outgoing = httpRequest({
    host: upstream.address,
    port: upstream.port,
    method: request.method,
    path: request.url,
    headers: requestHeaders(request, { remoteAddress: request.socket.remoteAddress ?? "unknown" }),
    agent: connection === "new" ? false : agentFor(upstream, mayRepeat),
  });
  const onClientGone = (): void => {
    outgoing.destroy();
    resolve("done");
  };
  response.once("close", onClientGone);

  const onConnected = (): void => {
    isConnected = true;
    if (hasBody(request)) request.pipe(outgoing);
    else outgoing.end();
  };
  outgoing.once("socket", (socket) => {
    if (!socket.connecting) return onConnected();
    const timer = AbortSignal.timeout(connectTimeoutMs);
    const onTimeout = (): void => void outgoing.destroy(new Error("no connection in time"));
    timer.addEventListener("abort", onTimeout, { once: true });
    socket.once("connect", () => {
      timer.removeEventListener("abort", onTimeout);
      onConnected();
    });
  });
  outgoing.once("error", () => {
    // After the answer has begun, the pipeline below decides; this is then only the body that nobody wanted.
    if (!isConnected) resolve("unreachable");
    else if (outgoing.reusedSocket && mayRepeat) resolve("stale");
    else resolve("broken");
  });
  outgoing.once("response", (answer) => {
    response.removeListener("close", onClientGone);
    outgoing.removeAllListeners("error").on("error", () => undefined);
    try {
      response.writeHead(answer.statusCode ?? 502, answer.statusMessage, responseHeaders(answer));
    } catch {
      outgoing.destroy(); // a header that may not be passed on
      resolve("broken");
      return;
    }
    // Not at once: where the body comes with the headers, one write carries both.
    setImmediate(() => {
      if (!response.destroyed && !response.writableEnded) response.flushHeaders();
    });
    pipeline(answer, response, () => {
      if (!answer.complete || !outgoing.writableFinished) outgoing.destroy();
      // Where the client left, the pipeline ended the answer; with a code of its own.
      resolve(!answer.complete && errorCode(answer.errored) === "ECONNRESET" ? "cut" : "done");
    });
  });
  return promise.finally(() => response.removeListener("close", onClientGone));
}

function agentFor(upstream: Upstream, mayRepeat: boolean): Agent {
  return mayRepeat ? upstream.patientAgent : upstream.cautiousAgent;
}
