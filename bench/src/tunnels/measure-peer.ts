import { fork } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import type { PeerKind } from "./agent-protocol.ts";
import { startAgentPool } from "./agent-pool.ts";
import { settledKiB } from "./process-memory.ts";

export interface TunnelCost {
  readonly kibPerTunnel: number;
  readonly connectionsPerSecond: number;
}

/** What as many connections cost a bare server. */
export async function measurePeer(options: {
  readonly kind: PeerKind;
  readonly directory: string;
  readonly agentFile: string;
  readonly tunnels: number;
  readonly warmUp: number;
  readonly settleMs: number;
  readonly environment: Readonly<Record<string, string>>;
}): Promise<TunnelCost> {
  const program = fileURLToPath(new URL("peer-server.ts", import.meta.url));
  const server = fork(program, [options.kind, options.directory], {
    env: { PATH: process.env["PATH"] ?? "", ...options.environment },
  });
  try {
    const [{ port }] = (await once(server, "message")) as [{ readonly port: number }]; // our own program's first word
    await using pool = startAgentPool(options.agentFile);
    const target = { kind: options.kind, port } as const;
    const { pid = 0 } = server;
    await pool.connect(target, options.warmUp);
    await pool.disconnect(0, options.warmUp);
    const before = await settledKiB(pid, options.settleMs);
    const { durationMs } = await pool.connect(target, options.tunnels);
    const after = await settledKiB(pid, options.settleMs);
    return {
      kibPerTunnel: (after - before) / options.tunnels,
      connectionsPerSecond: (options.tunnels / durationMs) * 1_000,
    };
  } finally {
    server.kill("SIGKILL");
  }
}
