import { createServer } from "node:net";
import { DrawbridgeError } from "@drawbridge/errors";

const loopback = "127.0.0.1";

/** A TCP port of the loopback interface that is free now. */
export async function freePort(): Promise<number> {
  return listenOnce(0);
}

/**
 * The port to give to `owner`: `port`, or a free one for 0.
 * @throws DrawbridgeError `LOCAL_PORT_IN_USE` (failed_precondition)
 */
export async function choosePort(owner: string, port: number): Promise<number> {
  try {
    return await listenOnce(port);
  } catch (error) {
    throw new DrawbridgeError({
      kind: "failed_precondition",
      code: "LOCAL_PORT_IN_USE",
      message:
        `${owner} cannot listen on ${loopback}:${port}: another program has the port. ` +
        `See which one with "ss -ltnp 'sport = :${port}'" (Linux) or "lsof -iTCP:${port} -sTCP:LISTEN" (macOS); ` +
        `stop it, or give ${owner} another port.`,
      details: { owner, port: String(port) },
      cause: error,
    });
  }
}

async function listenOnce(port: number): Promise<number> {
  const server = createServer();
  const listening = Promise.withResolvers<void>();
  server.once("error", listening.reject);
  server.listen({ host: loopback, port, exclusive: true }, () => listening.resolve());
  await listening.promise;
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  if (address === null || typeof address === "string") throw new Error("a TCP server has a TCP address");
  return address.port;
}
