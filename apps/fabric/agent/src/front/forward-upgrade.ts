import { request as httpRequest, type IncomingMessage } from "node:http";
import type { Socket } from "node:net";
import { pipeline, type Duplex } from "node:stream";
import { hasBody, isRoutableRequest, requestHeaders, responseHeaders } from "./forwarded-headers.ts";
import { connectTimeoutMs } from "./forward-request.ts";
import type { FrontTraffic } from "./front-traffic.ts";
import { appUnavailable, connectionLost, requestRefused, writeProblem, type Problem } from "./problem.ts";
import type { ReplicaPool, Upstream } from "./replica-pool.ts";

/** HTTP/2 over plain text is for the next hop, not for the app: such a request is answered as HTTP/1.1 (RFC 9113 3.1). */
export function isPassedOnUpgrade(request: Pick<IncomingMessage, "headers">): boolean {
  const protocol = request.headers.upgrade?.toLowerCase();
  return protocol !== undefined && protocol !== "h2c";
}

/** Pass a request for another protocol (WebSocket) to a replica and then every byte in both directions. */
export async function forwardUpgrade(
  request: IncomingMessage,
  client: Socket,
  options: {
    readonly head: Buffer;
    readonly pool: ReplicaPool;
    readonly appName: string;
    readonly traffic: FrontTraffic;
  },
): Promise<void> {
  client.on("error", () => client.destroy());
  const problem = await upgradeAtReplica(request, client, options);
  if (problem !== undefined && client.writable) writeProblem(client, problem);
}

async function upgradeAtReplica(
  request: IncomingMessage,
  client: Socket,
  options: {
    readonly head: Buffer;
    readonly pool: ReplicaPool;
    readonly appName: string;
    readonly traffic: FrontTraffic;
  },
): Promise<Problem | undefined> {
  if (!isRoutableRequest(request) || hasBody(request)) return requestRefused;
  const ended = options.traffic.begin();
  const tried = new Set<string>();
  for (;;) {
    const lease = options.pool.acquire(tried);
    if (lease === undefined) {
      ended({ replicaId: "", isError: true });
      return appUnavailable(options.appName);
    }
    const { upstream } = lease;
    const { replicaId } = upstream;
    // What goes over the connection afterwards is not this request's any more.
    const onHead = (status: number): void => ended({ replicaId, isError: status >= 500 });
    const outcome = await tryUpgrade(request, client, { upstream, head: options.head, onHead }).finally(lease.release);
    if (outcome === "done") return undefined;
    if (outcome === "broken") {
      ended({ replicaId, isError: true });
      return connectionLost(options.appName);
    }
    tried.add(upstream.replicaId);
  }
}

/** Resolves when the connection is over, or was never made. */
function tryUpgrade(
  request: IncomingMessage,
  client: Socket,
  {
    upstream,
    head,
    onHead,
  }: { readonly upstream: Upstream; readonly head: Buffer; readonly onHead: (status: number) => void },
): Promise<"done" | "unreachable" | "broken"> {
  const { promise, resolve } = Promise.withResolvers<"done" | "unreachable" | "broken">();
  let isConnected = false;
  const outgoing = httpRequest({
    host: upstream.address,
    port: upstream.port,
    method: request.method,
    path: request.url,
    headers: requestHeaders(request, {
      remoteAddress: client.remoteAddress ?? "unknown",
      upgrade: request.headers.upgrade ?? "",
    }),
    agent: false,
  });
  outgoing.setTimeout(connectTimeoutMs, () => {
    if (!isConnected) outgoing.destroy(new Error("no connection in time"));
  });
  const onClientGone = (): void => void outgoing.destroy();
  client.once("close", onClientGone);
  outgoing.once("socket", (socket) => socket.once("connect", () => (isConnected = true)));
  outgoing.once("error", () => resolve(isConnected ? "broken" : "unreachable"));
  outgoing.once("upgrade", (answer, replica, replicaHead) => {
    onHead(101);
    client.write(headOf(answer, ["Connection", "Upgrade", "Upgrade", answer.headers.upgrade ?? ""]));
    if (replicaHead.length > 0) client.write(replicaHead);
    if (head.length > 0) replica.write(head);
    joinStreams(client, replica, () => resolve("done"));
  });
  outgoing.once("response", (answer) => {
    onHead(answer.statusCode ?? 502);
    // The app refused the upgrade. Its answer ends with the connection; one that breaks off is reset, not ended.
    client.write(headOf(answer, ["Connection", "close"]));
    answer.pipe(client);
    answer.once("close", () => {
      if (!answer.complete) client.resetAndDestroy();
      resolve("done");
    });
  });
  outgoing.end();
  return promise.finally(() => client.removeListener("close", onClientGone));
}

function headOf(answer: IncomingMessage, more: readonly string[]): string {
  const headers = [...responseHeaders(answer), ...more];
  let head = `HTTP/1.1 ${answer.statusCode ?? 502} ${answer.statusMessage ?? ""}\r\n`;
  for (let index = 0; index < headers.length; index += 2) head += `${headers[index]}: ${headers[index + 1]}\r\n`;
  return `${head}\r\n`;
}

function joinStreams(client: Duplex, replica: Duplex, onOver: () => void): void {
  let open = 2;
  const onEnd = (error: unknown): void => {
    open -= 1;
    if (error !== null && error !== undefined) {
      client.destroy();
      replica.destroy();
    }
    if (open === 0) onOver();
  };
  pipeline(client, replica, onEnd);
  pipeline(replica, client, onEnd);
}
