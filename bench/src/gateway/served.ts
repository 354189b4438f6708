import { once } from "node:events";
import { createServer } from "node:net";
import { startOnCore, untilListening, type Child } from "./child.ts";
import { coreMicros, processMicros } from "./cpu-time.ts";
import { loadCore, type Headers, type LoadResult } from "./load.ts";
import { upstreamPeer, type Peer } from "./peers.ts";

/** Load and upstream have the other one. */
const proxyCore = 0;

/** A proxy that runs. */
export interface Served {
  readonly name: string;
  readonly port: number;
  readonly pid: number;
  readonly headers: Headers;
}

export interface Measured extends LoadResult {
  /** User and system time of its processes, for one request. */
  readonly processMicros: number;
  readonly softirqMicros: number;
  /** Part of the core's time that went to others. */
  readonly foreignShare: number;
}

export async function startUpstream(folder: string, bytes: number, started: AsyncDisposableStack): Promise<number> {
  const port = await freePort();
  const peer = upstreamPeer(folder, port, bytes);
  if (peer === undefined) throw new Error("needs nginx as upstream");
  started.use(startOnCore(loadCore, peer.command, peer.args));
  await untilListening(port);
  return port;
}

export async function serve(peer: Peer, port: number, started: AsyncDisposableStack): Promise<Served> {
  const child: Child = started.use(startOnCore(proxyCore, peer.command, peer.args));
  // serve-gateway.ts prints it.
  const said =
    peer.saysHeaders === true ? (JSON.parse(await child.firstLine) as { headers: Headers }) : { headers: {} };
  await untilListening(port);
  return { name: peer.name, port, pid: child.pid, headers: said.headers };
}

/** taskset becomes the program itself, so its time is the program's. */
export async function measure({ pid }: Served, load: () => Promise<LoadResult>): Promise<Measured> {
  const startMs = performance.now();
  const before = { process: processMicros(pid), core: coreMicros(proxyCore) };
  const result = await load();
  const own = processMicros(pid) - before.process;
  const core = coreMicros(proxyCore);
  const softirq = core.softirq - before.core.softirq;
  const foreign = Math.max(0, core.busy - before.core.busy - own - softirq);
  const requests = Math.max(1, result.requests);
  return {
    ...result,
    // Nothing answered in all the time is a failure too.
    failures: result.requests === 0 ? result.failures + 1 : result.failures,
    processMicros: own / requests,
    softirqMicros: softirq / requests,
    foreignShare: foreign / ((performance.now() - startMs) * 1_000),
  };
}

export async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  server.close();
  await once(server, "close");
  return typeof address === "object" && address !== null ? address.port : 0;
}
