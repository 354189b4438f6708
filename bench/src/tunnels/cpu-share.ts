import { cpuSecondsOfTree } from "../issue/process-cpu.ts";
import type { AgentPool } from "./agent-pool.ts";
import type { RuntimeStack } from "./runtime-stack.ts";

/** CPU time by who used it, ms. */
export interface CpuShare {
  readonly service: number;
  readonly postgres: number;
  /** Agents, and the bench as their operator. */
  readonly clients: number;
}

/** Run `work` and say what it cost each side per `units` of it. */
export async function withCpu<T>(
  stack: RuntimeStack,
  pool: AgentPool,
  units: number,
  work: () => Promise<T>,
): Promise<{ readonly value: T; readonly cpu: CpuShare }> {
  const before = readCpu(stack, pool);
  const value = await work();
  const after = readCpu(stack, pool);
  const per = (side: keyof CpuShare): number => (after[side] - before[side]) / units;
  return { value, cpu: { service: per("service"), postgres: per("postgres"), clients: per("clients") } };
}

function readCpu(stack: RuntimeStack, pool: AgentPool): CpuShare {
  const own = process.cpuUsage();
  const agents = pool.pids.reduce((sum, pid) => sum + cpuSecondsOfTree(pid), 0);
  return {
    service: cpuSecondsOfTree(stack.pid()) * 1_000,
    postgres: cpuSecondsOfTree(stack.postgresPid) * 1_000,
    clients: agents * 1_000 + (own.user + own.system) / 1_000,
  };
}
