import { createServer, type Server } from "node:http";
import { Socket } from "node:net";
import { lingerOnClose, stopAccepting, type Clock } from "@drawbridge/lifecycle";
import { hasBody } from "./forwarded-headers.ts";
import { forwardRequest } from "./forward-request.ts";
import { forwardUpgrade, isPassedOnUpgrade } from "./forward-upgrade.ts";
import { requestRefused, sendProblem } from "./problem.ts";
import type { FrontTraffic } from "./front-traffic.ts";
import type { ReplicaPool } from "./replica-pool.ts";

const closePollMs = 50;
/**
 * Before so many looks who sends another request on his connection is answered, and told that it was the last one. Looks, not time: a
 * process that stood still has not read yet what was sent to it meanwhile.
 */
const noticeLooks = 20;
const maxHeaderBytes = 32_768;
const headersTimeoutMs = 30_000;
/** Longer than the idle timeout of common load balancers (60 s), so that they close first. */
const keepAliveTimeoutMs = 65_000;

export interface FrontServer {
  /** `undefined` once it listens, otherwise the system's error code. */
  listen(address: string, port: number): Promise<string | undefined>;
  /** Take no new connections; resolves when the last request has ended. */
  close(): Promise<void>;
}

export function createFrontServer(options: {
  readonly pool: ReplicaPool;
  readonly appName: string;
  readonly traffic: FrontTraffic;
  readonly clock: Clock;
}): FrontServer {
  const server = createServer({
    insecureHTTPParser: false,
    maxHeaderSize: maxHeaderBytes,
    headersTimeout: headersTimeoutMs,
    keepAliveTimeout: keepAliveTimeoutMs,
    requestTimeout: 0, // an upload may take as long as it takes
    shouldUpgradeCallback: isPassedOnUpgrade,
  });

  let isClosing = false;
  server.on("request", (request, response) => {
    if (!request.socket.writable) return; // behind the last one that is answered there
    if (isClosing) response.shouldKeepAlive = false;
    if (hasBody(request)) lingerOnClose(request);
    forwardRequest(request, response, options).catch(() => sendProblem(response, requestRefused));
  });
  server.on("upgrade", (request, socket, head) => {
    if (!(socket instanceof Socket)) return void socket.destroy(); // always one: we make no TLS
    forwardUpgrade(request, socket, { ...options, head }).catch(() => socket.destroy());
  });

  return {
    listen: (address, port) => listenOn(server, address, port),
    close: async () => {
      const closed = new AbortController();
      isClosing = true;
      stopAccepting(server, options.clock, () => closed.abort());
      for (let looks = 0; !closed.signal.aborted; looks += server.listening ? 0 : 1) {
        await options.clock.sleep(closePollMs);
        // Right behind the look at the sockets: what a client has sent is no idle connection any more.
        if (looks >= noticeLooks) setImmediate(() => server.closeIdleConnections());
      }
      server.close(() => undefined); // it listens no more: this ends the timers of its connections
    },
  };
}

function listenOn(server: Server, host: string, port: number): Promise<string | undefined> {
  return new Promise((resolve) => {
    const onError = (error: NodeJS.ErrnoException): void => {
      server.removeAllListeners("listening");
      resolve(error.code ?? "unknown");
    };
    server.once("error", onError);
    // Shared for the moment in which an app goes over between front and gateway; whoever does not share is still refused.
    server.listen({ host, port, exclusive: true, reusePort: true }, () => {
      server.removeListener("error", onError);
      resolve(undefined);
    });
  });
}
