import { chmod, mkdtemp, rm } from "node:fs/promises";
import { createServer } from "node:net";
import { availableParallelism, tmpdir, totalmem } from "node:os";
import { join } from "node:path";
import { once } from "node:events";
import type { BenchResult, Figure } from "../bench-result.ts";
import { startOnCore, untilListening, type Child } from "./child.ts";
import { processMicros, softirqMicros } from "./cpu-time.ts";
import { loadCore, pace, saturate, type Headers, type LoadResult } from "./load.ts";
import {
  fastifyPeer,
  gatewayPeer,
  haproxyPeer,
  httpProxyPeer,
  nginxPeer,
  programNamed,
  upstreamPeer,
  type Peer,
  type PeerPlace,
} from "./peers.ts";

export interface GatewayBenchOptions {
  /** Of each measurement; default 8. */
  readonly seconds?: number;
  /** Default 3; ratios are taken within a round, and the median of them counts. */
  readonly rounds?: number;
}

const proxyCore = 0;
const connections = 64;
const smallBytes = 1_023;
const largeBytes = 65_536;
const burstsPerSecond = 62.5; // of 64: 4,000 requests/s

interface Served {
  readonly name: string;
  readonly port: number;
  readonly pid: number;
  readonly headers: Headers;
}

interface Measured extends LoadResult {
  readonly processMicros: number;
  readonly softirqMicros: number;
}

/**
 * Our data plane beside nginx, HAProxy, @fastify/http-proxy and http-proxy in one run: the proxy alone on core 0, load and
 * upstream on core 1. CPU per request counts, not requests per second: those move with whatever else the machine does.
 */
export async function runGatewayBench({ seconds = 8, rounds = 3 }: GatewayBenchOptions = {}): Promise<BenchResult> {
  const folder = await mkdtemp(join(tmpdir(), "drawbridge-bench-gateway-"));
  await chmod(folder, 0o755); // nginx reads the answers in it as another user
  await using started = new AsyncDisposableStack();
  started.defer(() => rm(folder, { recursive: true, force: true }));
  const notes = ["nginx", "haproxy", "wrk"].filter((name) => programNamed(name) === undefined);
  if (notes.includes("nginx"))
    throw new Error("needs nginx, as upstream and as measure: apt-get install nginx haproxy wrk");
  for (const name of notes) console.log(`${name} is not installed: left out`);

  const small = await upstream(folder, smallBytes, started);
  const large = await upstream(folder, largeBytes, started);
  const make =
    (upstreamPort: number) =>
    async (peer: (place: PeerPlace) => Peer | undefined): Promise<Served[]> => {
      const port = await freePort();
      const found = peer({ folder, port, upstreamPort });
      return found === undefined ? [] : [await serve(found, port, started)];
    };
  const ofSmall = make(small);
  const [nginx] = await ofSmall(nginxPeer);
  const haproxy = await ofSmall(haproxyPeer);
  const [gateway] = await ofSmall((place) => gatewayPeer(place, "bare"));
  const [policies] = await ofSmall((place) => gatewayPeer(place, "policies"));
  const [fastify] = await ofSmall(fastifyPeer);
  const [httpProxy] = await ofSmall(httpProxyPeer);
  const [nginxLarge] = await make(large)(nginxPeer);
  const [gatewayLarge] = await make(large)((place) => gatewayPeer(place, "bare"));
  if (!nginx || !gateway || !policies || !fastify || !httpProxy || !nginxLarge || !gatewayLarge) {
    throw new Error("a peer did not start");
  }

  const all = [nginx, ...haproxy, gateway, policies, fastify, httpProxy];
  const measured = new Map<Served, Measured[]>();
  for (let round = 0; round < rounds; round += 1) {
    for (const served of [...all, nginxLarge, gatewayLarge]) {
      const known = measured.get(served) ?? [];
      measured.set(served, [...known, await measure(served, seconds)]);
    }
  }
  const of = (served: Served): readonly Measured[] => measured.get(served) ?? [];
  const ratio = (one: Served, other: Served, value: (result: Measured) => number): number =>
    median(of(one).map((result, round) => value(result) / value(of(other)[round] ?? result)));

  const bursts = new Map<Served, LoadResult>();
  const single = new Map<Served, LoadResult>();
  for (const served of [nginx, ...haproxy, gateway]) {
    bursts.set(served, await pace(served.port, { connections, burstsPerSecond, seconds, headers: served.headers }));
    single.set(
      served,
      await pace(served.port, { connections: 1, burstsPerSecond: 0, seconds, headers: served.headers }),
    );
  }

  return {
    bench: "gateway",
    machine: { cpus: availableParallelism(), memoryGiB: Math.round(totalmem() / 2 ** 30), node: process.version },
    rows: [
      ...all.map((served) =>
        rowOf(served.name, {
          results: of(served),
          efficiency: ratio(nginx, served, cpuOf),
          bursts: bursts.get(served),
          single: single.get(served),
        }),
      ),
      ...[nginxLarge, gatewayLarge].map((served) =>
        rowOf(`${served.name}, 64 KiB`, { results: of(served), efficiency: ratio(nginxLarge, served, cpuOf) }),
      ),
    ],
    figures: {
      bare_cpu_efficiency: atLeast(ratio(nginx, gateway, cpuOf), "of nginx", 0.6),
      bare_over_fastify: atLeast(ratio(fastify, gateway, cpuOf), "× @fastify/http-proxy", 2.5),
      bare_over_http_proxy: atLeast(ratio(httpProxy, gateway, cpuOf), "× http-proxy", null),
      policies_cpu_efficiency: atLeast(ratio(nginx, policies, cpuOf), "of bare nginx", 0.52),
      large_rate: atLeast(ratio(gatewayLarge, nginxLarge, rateOf), "of nginx", 0.85),
      burst_p99: atMost((bursts.get(gateway)?.p99Ms ?? 0) / (bursts.get(nginx)?.p99Ms ?? 1), "× nginx", 1.8),
      unloaded_p50_added: atMost((single.get(gateway)?.p50Ms ?? 0) - (single.get(nginx)?.p50Ms ?? 0), "ms", 0.05),
      bare_cpu: atMost(median(of(gateway).map(cpuOf)), "µs/request", null),
      nginx_cpu: atMost(median(of(nginx).map(cpuOf)), "µs/request", null),
      failures: atMost(
        [...measured.values()].flat().reduce((sum, { failures }) => sum + failures, 0),
        "requests",
        0,
      ),
    },
  };
}

async function upstream(folder: string, bytes: number, started: AsyncDisposableStack): Promise<number> {
  const port = await freePort();
  const peer = upstreamPeer(folder, port, bytes);
  if (peer === undefined) throw new Error("needs nginx as upstream");
  started.use(startOnCore(loadCore, peer.command, peer.args));
  await untilListening(port);
  return port;
}

async function serve(peer: Peer, port: number, started: AsyncDisposableStack): Promise<Served> {
  const child: Child = started.use(startOnCore(proxyCore, peer.command, peer.args));
  // serve-gateway.ts prints it.
  const said =
    peer.saysHeaders === true ? (JSON.parse(await child.firstLine) as { headers: Headers }) : { headers: {} };
  await untilListening(port);
  return { name: peer.name, port, pid: child.pid, headers: said.headers };
}

async function measure({ port, pid, headers }: Served, seconds: number): Promise<Measured> {
  await saturate(port, { connections, seconds: Math.max(1, Math.round(seconds / 3)), headers }); // warm
  const before = { process: processMicros(pid), softirq: softirqMicros(proxyCore) };
  const result = await saturate(port, { connections, seconds, headers });
  const requests = Math.max(1, result.requests);
  return {
    ...result,
    processMicros: (processMicros(pid) - before.process) / requests,
    softirqMicros: (softirqMicros(proxyCore) - before.softirq) / requests,
  };
}

/** taskset becomes the program itself, so its time is the program's. */
const cpuOf = (result: Measured): number => result.processMicros + result.softirqMicros;
const rateOf = (result: Measured): number => result.requests / result.seconds;

function rowOf(
  name: string,
  of: {
    results: readonly Measured[];
    efficiency: number;
    bursts?: LoadResult | undefined;
    single?: LoadResult | undefined;
  },
): Record<string, string | number> {
  const at = (value: (result: Measured) => number): number => round(median(of.results.map(value)));
  return {
    proxy: name,
    "requests/s": Math.round(median(of.results.map(rateOf))),
    "CPU µs/request": at(cpuOf),
    "of that softirq": at((result) => result.softirqMicros),
    "CPU efficiency": round(of.efficiency),
    "p50 ms": at((result) => result.p50Ms),
    "p99 ms": at((result) => result.p99Ms),
    "burst p50": of.bursts === undefined ? "" : round(of.bursts.p50Ms),
    "burst p99": of.bursts === undefined ? "" : round(of.bursts.p99Ms),
    failures: of.results.reduce((sum, { failures }) => sum + failures, 0),
    "unloaded p50": of.single === undefined ? "" : round(of.single.p50Ms, 3),
  };
}

function median(values: readonly number[]): number {
  return values.toSorted((one, other) => one - other)[Math.floor(values.length / 2)] ?? 0;
}

const round = (value: number, digits = 2): number => Number(value.toFixed(digits));

function atLeast(value: number, unit: string, goal: number | null): Figure {
  return { value: round(value, 3), unit, goal, reached: goal === null ? null : value >= goal };
}

function atMost(value: number, unit: string, goal: number | null): Figure {
  return { value: round(value, 3), unit, goal, reached: goal === null ? null : value <= goal };
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  server.close();
  await once(server, "close");
  return typeof address === "object" && address !== null ? address.port : 0;
}
