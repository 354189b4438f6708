import { randomInt } from "node:crypto";
import { createServer } from "node:net";
import { DrawbridgeError } from "@drawbridge/errors";

const loopback = "127.0.0.1";

/** Below the range that Linux gives to outgoing connections (32768 to 60999, ip(7)), so that nobody takes one of ours meanwhile. */
export const portRange = { lowest: 10_000, highest: 32_000 } as const;

/** A TCP port of the loopback interface that is free now. */
export async function freePort(): Promise<number> {
  for (let attempt = 0; attempt < 50; attempt += 1) {
    const port = randomInt(portRange.lowest, portRange.highest);
    if (await listenOnce(port).then(Boolean, () => false)) return port;
  }
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
