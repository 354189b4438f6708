import { availableParallelism, totalmem } from "node:os";
import type { BenchResult, Figure } from "../bench-result.ts";
import { monotonicMs } from "./agent-protocol.ts";
import { startAgentPool, type AgentPool } from "./agent-pool.ts";
import { allocatorSettings } from "./allocator.ts";
import { withCpu, type CpuShare } from "./cpu-share.ts";
import { measureFanOut, percentile, type FanOut } from "./fan-out.ts";
import { measurePeer, type TunnelCost } from "./measure-peer.ts";
import { settledKiB } from "./process-memory.ts";
import { startRuntimeStack, type RuntimeStack } from "./runtime-stack.ts";

export interface TunnelsBenchOptions {
  /** Default 5,000. */
  readonly tunnels?: number;
  /** Default 1,000. */
  readonly fanOut?: number;
  /** Default 3,000. */
  readonly storm?: number;
  /** Of runtime-manager's process. Default: the allocator settings that it is to run with. */
  readonly environment?: Readonly<Record<string, string>>;
  readonly nodeArguments?: readonly string[];
}

const goals = { kbPerTunnel: 60, fanOutP99Ms: 1_000, stormMs: 30_000 };
const warmUp = 100;
const settleMs = 5_000;
/** Deploys per second that leave the machine room for everything else that happens on it. */
const steadyPace = 50;
/** For the measurement of how fast it can be; what protects a real replica from a herd is left as it is for the storm. */
const noAdmission = { DRAWBRIDGE_HANDSHAKES_PER_SECOND: "10000", DRAWBRIDGE_CONCURRENT_HANDSHAKES: "1000" };

/**
 * Tunnels on one runtime-manager: memory, connections per second, time from a deploy to the agents' reports, and the
 * herd after a kill -9. Agents, service, PostgreSQL and NATS share the machine. Beside it bare servers: grpc-js, node:http2, TLS.
 */
export async function runTunnelsBench(options: TunnelsBenchOptions = {}): Promise<BenchResult> {
  const tunnels = options.tunnels ?? 5_000;
  const storm = Math.min(options.storm ?? 3_000, tunnels);
  const fanOut = Math.min(options.fanOut ?? 1_000, tunnels);
  await using stack = await startRuntimeStack({
    agents: tunnels,
    environment: options.environment ?? allocatorSettings,
    nodeArguments: options.nodeArguments ?? [],
  });
  const peerOptions = {
    directory: stack.peerDirectory,
    agentFile: stack.agentFile,
    tunnels,
    warmUp: Math.min(warmUp, tunnels),
    settleMs,
  };
  const peer = await measurePeer({ ...peerOptions, kind: "grpc", environment: {} });
  const tuned = { ...peerOptions, environment: allocatorSettings };
  const peerTuned = await measurePeer({ ...tuned, kind: "grpc" });
  const http2Tuned = await measurePeer({ ...tuned, kind: "http2" });
  const tlsTuned = await measurePeer({ ...tuned, kind: "tls" });
  await stack.start(noAdmission);
  await using pool = startAgentPool(stack.agentFile);
  const { value: ours, cpu: connecting } = await withCpu(stack, pool, tunnels, () =>
    measureTunnels(stack, pool, tunnels),
  );
  const fabrics = stack.agents.agents.slice(0, fanOut);
  await measureFanOut(stack, pool, { fabrics: fabrics.slice(0, warmUp), app: "warm", pace: "at-once" });
  const { value: atOnce, cpu: deploying } = await withCpu(stack, pool, fanOut, () =>
    measureFanOut(stack, pool, { fabrics, app: "burst", pace: "at-once" }),
  );
  const steady = await measureFanOut(stack, pool, {
    fabrics: fabrics.slice(0, 5 * steadyPace),
    app: "steady",
    pace: steadyPace,
  });
  const back = await measureStorm(stack, pool, { tunnels, storm });
  return result({
    tunnels,
    fanOut,
    storm,
    ours,
    peer,
    peerTuned,
    http2Tuned,
    tlsTuned,
    atOnce,
    steady,
    back,
    connecting,
    deploying,
    refusals: pool.refusals,
  });
}

async function measureTunnels(stack: RuntimeStack, pool: AgentPool, tunnels: number): Promise<TunnelCost> {
  const target = { kind: "tunnel", port: stack.tunnelPort } as const;
  await pool.connect(target, Math.min(warmUp, tunnels));
  await pool.disconnect(0, Math.min(warmUp, tunnels));
  const before = await settledKiB(stack.pid(), settleMs);
  const { durationMs } = await pool.connect(target, tunnels);
  const after = await settledKiB(stack.pid(), settleMs);
  return { kibPerTunnel: (after - before) / tunnels, connectionsPerSecond: (tunnels / durationMs) * 1_000 };
}

interface Storm {
  /** From the command to start the service again to each agent's welcome, ascending. */
  readonly backMs: readonly number[];
  readonly readyMs: number;
}

async function measureStorm(
  stack: RuntimeStack,
  pool: AgentPool,
  { tunnels, storm }: { readonly tunnels: number; readonly storm: number },
): Promise<Storm> {
  await pool.disconnect(storm, tunnels);
  const reconnected = pool.reconnected(storm);
  await stack.kill();
  const startMs = monotonicMs();
  await stack.start();
  const readyMs = monotonicMs() - startMs;
  const backMs = (await reconnected).map((atMs) => atMs - startMs).toSorted((a, b) => a - b);
  return { backMs, readyMs };
}

function result(measured: {
  readonly tunnels: number;
  readonly fanOut: number;
  readonly storm: number;
  readonly ours: TunnelCost;
  readonly peer: TunnelCost;
  readonly peerTuned: TunnelCost;
  readonly http2Tuned: TunnelCost;
  readonly tlsTuned: TunnelCost;
  readonly connecting: CpuShare;
  readonly deploying: CpuShare;
  readonly atOnce: FanOut;
  readonly steady: FanOut;
  readonly back: Storm;
  readonly refusals: ReadonlyMap<string, number>;
}): BenchResult {
  const { ours, peer, peerTuned, http2Tuned, tlsTuned, atOnce, steady, back, connecting, deploying } = measured;
  const stages = (times: FanOut): string =>
    (["answeredMs", "notifiedMs", "fetchedMs"] as const)
      .map((stage) => `${stage.slice(0, -2)} ${round(percentile(times[stage], 0.99))}`)
      .join(", ");
  const row = (what: string, value: number, unit: string, note: string) => ({ what, value: round(value), unit, note });
  return {
    bench: "tunnels",
    machine: { cpus: availableParallelism(), memoryGiB: Math.round(totalmem() / 2 ** 30), node: process.version },
    rows: [
      row("memory per tunnel", kb(ours), "KB", `${measured.tunnels} tunnels, resident set of the service`),
      row("memory per tunnel, bare grpc-js", kb(peer), "KB", "same listener and clients, none of our code"),
      row("memory per tunnel, bare grpc-js", kb(peerTuned), "KB", "and the allocator settings of the service"),
      row("memory per tunnel, bare node:http2", kb(http2Tuned), "KB", "same allocator settings, no grpc-js"),
      row("memory per tunnel, bare TLS", kb(tlsTuned), "KB", "same allocator settings, no HTTP/2"),
      row("connections, welcomed", ours.connectionsPerSecond, "1/s", "TLS, hello, PostgreSQL; admission off"),
      row("connections, bare grpc-js", peer.connectionsPerSecond, "1/s", "TLS and one message"),
      row(
        "deploy to report, at once, p50",
        percentile(atOnce.acknowledgedMs, 0.5),
        "ms",
        `${measured.fanOut} deploys in one moment`,
      ),
      row(
        "deploy to report, at once, p99",
        percentile(atOnce.acknowledgedMs, 0.99),
        "ms",
        `p99 by stage: ${stages(atOnce)}`,
      ),
      row("CPU per first connection", totalOf(connecting), "ms", sharesOf(connecting)),
      row("CPU per deploy with report", totalOf(deploying), "ms", sharesOf(deploying)),
      row(
        "deploy to report, steady, p50",
        percentile(steady.acknowledgedMs, 0.5),
        "ms",
        `${steadyPace} deploys a second`,
      ),
      row(
        "deploy to report, steady, p99",
        percentile(steady.acknowledgedMs, 0.99),
        "ms",
        `p99 by stage: ${stages(steady)}`,
      ),
      row(
        "kill -9: first agent back",
        back.backMs[0] ?? Number.NaN,
        "ms",
        `service ready after ${round(back.readyMs)} ms`,
      ),
      row(
        "kill -9: half are back",
        percentile(back.backMs, 0.5),
        "ms",
        `${measured.storm} agents, 150 handshakes/s admitted`,
      ),
      row(
        "kill -9: all are back",
        back.backMs.at(-1) ?? Number.NaN,
        "ms",
        `attempts refused: ${refusalsOf(measured.refusals)}`,
      ),
    ],
    figures: {
      memory_per_tunnel: atMost(kb(ours), "KB", goals.kbPerTunnel),
      memory_per_tunnel_bare_grpc: informs(kb(peer), "KB"),
      memory_per_tunnel_bare_grpc_tuned: informs(kb(peerTuned), "KB"),
      memory_per_tunnel_bare_http2_tuned: informs(kb(http2Tuned), "KB"),
      memory_per_tunnel_bare_tls_tuned: informs(kb(tlsTuned), "KB"),
      memory_ratio: informs(kb(ours) / kb(peer), "x"),
      connections_per_second: informs(ours.connectionsPerSecond, "1/s"),
      connections_per_second_bare_grpc: informs(peer.connectionsPerSecond, "1/s"),
      fan_out_p50: informs(percentile(atOnce.acknowledgedMs, 0.5), "ms"),
      fan_out_p99: atMost(percentile(atOnce.acknowledgedMs, 0.99), "ms", goals.fanOutP99Ms),
      cpu_per_deploy: informs(totalOf(deploying), "ms"),
      cpu_per_connection: informs(totalOf(connecting), "ms"),
      fan_out_steady_p99: informs(percentile(steady.acknowledgedMs, 0.99), "ms"),
      storm_all_back: atMost(back.backMs.at(-1) ?? Number.NaN, "ms", goals.stormMs),
      storm_half_back: informs(percentile(back.backMs, 0.5), "ms"),
    },
  };
}

/** 1 KB is 1,000 bytes, as in the goal. */
function kb({ kibPerTunnel }: TunnelCost): number {
  return (kibPerTunnel * 1_024) / 1_000;
}

function totalOf({ service, postgres, clients }: CpuShare): number {
  return service + postgres + clients;
}

function sharesOf({ service, postgres, clients }: CpuShare): string {
  return `service ${round(service)}, PostgreSQL ${round(postgres)}, agents and operator ${round(clients)}`;
}

function refusalsOf(refusals: ReadonlyMap<string, number>): string {
  return [...refusals].map(([reason, count]) => `${reason} ${count}`).join(", ") || "none";
}

function atMost(value: number, unit: string, goal: number): Figure {
  return { value: round(value), unit, goal, reached: value <= goal };
}

function informs(value: number, unit: string): Figure {
  return { value: round(value), unit, goal: null, reached: null };
}

function round(value: number): number {
  return Math.round(value * 100) / 100;
}
