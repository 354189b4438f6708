import { chmod, mkdtemp, rm } from "node:fs/promises";
import { availableParallelism, tmpdir, totalmem } from "node:os";
import { join } from "node:path";
import type { BenchResult, Figure } from "../bench-result.ts";
import { pace, saturate, type LoadResult } from "./load.ts";
import {
  gatewayPeer,
  haproxyPeer,
  nginxPeer,
  programNamed,
  fastifyHttpProxyPeer,
  httpProxyPeer,
  replyFromPeer,
  type Peer,
  type PeerPlace,
} from "./peers.ts";
import { compare, Rounds, spreadOf, typical, type Series, type Spread } from "./rounds.ts";
import { freePort, measure, serve, startUpstream, type Measured, type Served } from "./served.ts";

export interface GatewayBenchOptions {
  /** Of each measurement; default 1: many short rounds see the same machine, few long ones do not. */
  readonly seconds?: number;
  /** Default 14. */
  readonly rounds?: number;
}

const connections = 64;
const smallBytes = 1_023;
const largeBytes = 65_536;
const burstsPerSecond = 62.5; // of 64: 4,000 requests/s
const warmSeconds = 3;
/** Proxies that only our own efficiency is compared with are in every third round. */
const othersEvery = 3;

/**
 * Our data plane beside nginx, HAProxy, @fastify/reply-from, @fastify/http-proxy and http-proxy in one run: the proxy alone on
 * core 0, load and upstream on core 1. CPU per request counts, not requests per second: those move with whatever else the
 * machine does.
 */
export async function runGatewayBench({ seconds = 1, rounds = 14 }: GatewayBenchOptions = {}): Promise<BenchResult> {
  const folder = await mkdtemp(join(tmpdir(), "drawbridge-bench-gateway-"));
  await chmod(folder, 0o755); // nginx reads the answers in it as another user
  await using started = new AsyncDisposableStack();
  started.defer(() => rm(folder, { recursive: true, force: true }));
  const missing = ["nginx", "haproxy", "wrk"].filter((name) => programNamed(name) === undefined);
  if (missing.includes("nginx"))
    throw new Error("needs nginx, as upstream and as measure: apt-get install nginx haproxy wrk");
  for (const name of missing) console.log(`${name} is not installed: left out`);

  const small = await startUpstream(folder, smallBytes, started);
  const large = await startUpstream(folder, largeBytes, started);
  const start = async (upstreamPort: number, peer: (place: PeerPlace) => Peer | undefined): Promise<Served[]> => {
    const port = await freePort();
    const found = peer({ folder, port, upstreamPort });
    return found === undefined ? [] : [await serve(found, port, started)];
  };
  const [nginx] = await start(small, nginxPeer);
  const [gateway] = await start(small, (place) => gatewayPeer(place, "bare"));
  const [policies] = await start(small, (place) => gatewayPeer(place, "policies"));
  const [nginxLarge] = await start(large, nginxPeer);
  const [gatewayLarge] = await start(large, (place) => gatewayPeer(place, "bare"));
  const haproxy = await start(small, haproxyPeer);
  const [replyFrom] = await start(small, replyFromPeer);
  const [fastify] = await start(small, fastifyHttpProxyPeer);
  const [httpProxy] = await start(small, httpProxyPeer);
  if (!nginx || !gateway || !policies || !fastify || !replyFrom || !httpProxy || !nginxLarge || !gatewayLarge) {
    throw new Error("a peer did not start");
  }
  const nginxCredentials = { ...nginx, name: "nginx, the same requests with credentials", headers: policies.headers };
  const others = [...haproxy, replyFrom, fastify, httpProxy];

  const results = new Rounds();
  const full = ({ port, headers }: Served, duration = seconds): Promise<LoadResult> =>
    saturate(port, { connections, seconds: duration, headers });
  const bursts = ({ port, headers }: Served): Promise<LoadResult> =>
    pace(port, { connections, burstsPerSecond, seconds, headers });
  const single = ({ port, headers }: Served): Promise<LoadResult> =>
    pace(port, { connections: 1, burstsPerSecond: 0, seconds, headers });
  const core: readonly { readonly load: string; readonly servers: readonly Served[]; readonly run: typeof bursts }[] = [
    { load: "full", servers: [nginx, gateway, policies, nginxCredentials], run: (served) => full(served) },
    { load: "full", servers: [nginxLarge, gatewayLarge], run: (served) => full(served) },
    { load: "bursts", servers: [nginx, gateway], run: bursts },
    { load: "single", servers: [nginx, gateway], run: single },
  ];

  for (const served of [nginx, gateway, policies, nginxLarge, gatewayLarge, ...others]) await full(served, warmSeconds);
  for (let round = 0; round < rounds; round += 1) {
    for (const { load, servers, run } of core) {
      // Forwards and backwards: what changes slowly takes no side.
      const inTurn = round % 2 === 0 ? servers : servers.toReversed();
      for (const served of inTurn) {
        results.add(round, { served, load, result: await measure(served, () => run(served)) });
      }
    }
    if (round % othersEvery > 0) continue;
    for (const served of others) {
      results.add(round, { served, load: "full", result: await measure(served, () => full(served)) });
    }
  }

  const fullOf = (served: Served): Series => results.of(served, "full");
  const efficiency = (served: Served, measure: Served): Spread =>
    compare(fullOf(served), fullOf(measure), (one, other) => cpuOf(other) / cpuOf(one));
  const foreign = spreadOf(results.all.map(({ foreignShare }) => foreignShare));
  const rowOf = (served: Served, measure: Served, name = served.name): Record<string, string | number> => ({
    proxy: name,
    "requests/s": Math.round(typical(fullOf(served), rateOf)),
    "CPU µs/request": round(typical(fullOf(served), cpuOf), 1),
    "of that softirq": round(
      typical(fullOf(served), ({ softirqMicros }) => softirqMicros),
      1,
    ),
    "CPU efficiency": text(efficiency(served, measure)),
    "p50 ms": round(typical(fullOf(served), p50Of)),
    "p99 ms": round(typical(fullOf(served), p99Of)),
    "burst p50": latency(results.of(served, "bursts"), p50Of),
    "burst p99": latency(results.of(served, "bursts"), p99Of),
    "unloaded p50": latency(results.of(served, "single"), p50Of),
    failures: [...fullOf(served).values()].reduce((sum, { failures }) => sum + failures, 0),
  });
  const rows = [
    ...[nginx, nginxCredentials, gateway, policies, ...others].map((served) => rowOf(served, nginx)),
    ...[nginxLarge, gatewayLarge].map((served) => rowOf(served, nginxLarge, `${served.name}, 64 KiB`)),
  ];

  return {
    bench: "gateway",
    machine: { cpus: availableParallelism(), memoryGiB: Math.round(totalmem() / 2 ** 30), node: process.version },
    rows,
    figures: {
      ...atLeast("bare_cpu_efficiency", efficiency(gateway, nginx), "of nginx", 0.6),
      ...atLeast("bare_over_reply_from", efficiency(gateway, replyFrom), "× @fastify/reply-from", 2.5),
      ...atLeast("bare_over_http_proxy", efficiency(gateway, httpProxy), "× http-proxy", null),
      ...atLeast("policies_cpu_efficiency", efficiency(policies, nginx), "of bare nginx", 0.52),
      ...atLeast(
        "policies_same_requests",
        efficiency(policies, nginxCredentials),
        "of nginx, credentials in its requests too",
        null,
      ),
      ...atLeast(
        "large_rate",
        compare(fullOf(gatewayLarge), fullOf(nginxLarge), (one, other) => rateOf(one) / rateOf(other)),
        "of nginx",
        0.85,
      ),
      ...atMost(
        "burst_p99",
        compare(results.of(gateway, "bursts"), results.of(nginx, "bursts"), (one, other) => p99Of(one) / p99Of(other)),
        "× nginx",
        1.8,
      ),
      ...atMost(
        "unloaded_p50_added",
        compare(results.of(gateway, "single"), results.of(nginx, "single"), (one, other) => p50Of(one) - p50Of(other)),
        "ms",
        0.05,
      ),
      ...atMost("foreign_cpu", foreign, "of the proxy's core; above 0.1 no figure is sure", 0.1),
      failures: {
        value: results.all.reduce((sum, { failures }) => sum + failures, 0),
        unit: "requests",
        goal: 0,
        reached: results.all.every(({ failures }) => failures === 0),
      },
    },
  };
}

const cpuOf = (result: Measured): number => result.processMicros + result.softirqMicros;
const rateOf = (result: Measured): number => result.requests / result.seconds;
const p50Of = (result: Measured): number => result.p50Ms;
const p99Of = (result: Measured): number => result.p99Ms;

const round = (value: number, digits = 2): number => Number(value.toFixed(digits));
const latency = (series: Series, value: (result: Measured) => number): number | string =>
  series.size === 0 ? "" : round(typical(series, value), 3);
const text = ({ median, low, high }: Spread): string => `${round(median)} (${round(low)}-${round(high)})`;

/** Reached: in the median of the quieter rounds. Surely: in the worse quarter of them too. */
function atLeast(name: string, { median, low }: Spread, unit: string, goal: number | null): Record<string, Figure> {
  return figures(name, { median, worse: low, unit, goal, isReached: (value) => goal !== null && value >= goal });
}

function atMost(name: string, { median, high }: Spread, unit: string, goal: number | null): Record<string, Figure> {
  return figures(name, { median, worse: high, unit, goal, isReached: (value) => goal !== null && value <= goal });
}

function figures(
  name: string,
  of: {
    readonly median: number;
    readonly worse: number;
    readonly unit: string;
    readonly goal: number | null;
    readonly isReached: (value: number) => boolean;
  },
): Record<string, Figure> {
  const figure = (value: number): Figure => ({
    value: round(value, 3),
    unit: of.unit,
    goal: of.goal,
    reached: of.goal === null ? null : of.isReached(value),
  });
  return { [name]: figure(of.median), [`${name}_worse_quarter`]: figure(of.worse) };
}
