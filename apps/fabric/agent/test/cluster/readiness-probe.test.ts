import { once } from "node:events";
import { createServer } from "node:http";
import { createServer as createH2cServer } from "node:http2";
import { createServer as createNetServer, type AddressInfo, type Server } from "node:net";
import { expect, test } from "vitest";
import { probeReadiness, type ProbeResult } from "../../src/shim/readiness-probe.ts";

const statusOf = (url: string | undefined): number => (url === "/ready" ? 204 : 503);

const servers: Readonly<Record<string, () => Server>> = {
  http1: () => createServer(({ url }, response) => response.writeHead(statusOf(url)).end()),
  h2c: () => createH2cServer(({ url }, response) => void response.writeHead(statusOf(url)).end()),
  silent: () => createNetServer(() => undefined),
};

test.each<[server: string, protocol: "http1" | "h2c", path: string, result: ProbeResult]>([
  ["http1", "http1", "/ready", { ready: true, address: "127.0.0.1" }],
  ["http1", "http1", "/", { ready: false }],
  ["h2c", "h2c", "/ready", { ready: true, address: "127.0.0.1" }],
  ["h2c", "h2c", "/", { ready: false }],
  ["http1", "h2c", "/ready", { ready: false }],
  ["silent", "h2c", "/ready", { ready: false }],
])("a server of %s asked in %s for %s gives %o", async (name, protocol, path, result) => {
  const server = servers[name]?.();
  if (server === undefined) throw new Error(`there is no server ${name}`);
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo; // it listens on TCP
  expect(await probeReadiness({ port, path, protocol, timeoutMs: 1_500 })).toEqual(result);
  server.close();
});
