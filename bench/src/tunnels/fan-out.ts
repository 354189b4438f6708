import { randomUUID } from "node:crypto";
import { AppServiceClient, type DeployAppRequest } from "@drawbridge/contracts/runtime/v1/app_service";
import { createGrpcClient } from "@drawbridge/rpc";
import { createLogger } from "@drawbridge/telemetry";
import { monotonicMs, type AgentSeed } from "./agent-protocol.ts";
import type { AgentPool } from "./agent-pool.ts";
import type { RuntimeStack } from "./runtime-stack.ts";
import { environment, org } from "./seed-agents.ts";

export interface FanOut {
  /** From the deploy to the stored report of each agent, ms, ascending. */
  readonly acknowledgedMs: readonly number[];
  /** To the answer that the operator gets, the notify and the fetched snapshot. */
  readonly answeredMs: readonly number[];
  readonly notifiedMs: readonly number[];
  readonly fetchedMs: readonly number[];
}

/**
 * Deploy one app to each of `fabrics` and wait for every agent's stored report.
 * "at-once": all commands are sent in one moment, and every time counts from that moment.
 * A number: so many commands a second, and every time counts from its own command.
 */
export async function measureFanOut(
  stack: RuntimeStack,
  pool: AgentPool,
  options: { readonly fabrics: readonly AgentSeed[]; readonly app: string; readonly pace: "at-once" | number },
): Promise<FanOut> {
  const { fabrics, pace } = options;
  const client = createGrpcClient(AppServiceClient, {
    address: stack.internalAddress,
    identity: stack.managementApi,
    expectedServer: "/cp/runtime-manager",
    logger: createLogger({ service: "bench", level: "error" }),
  });
  await client.start(AbortSignal.timeout(10_000));
  const sentMs = new Map<string, number>();
  const result = {
    acknowledgedMs: [] as number[],
    answeredMs: [] as number[],
    notifiedMs: [] as number[],
    fetchedMs: [] as number[],
  };
  const { promise: allApplied, resolve } = Promise.withResolvers<void>();
  const applied = new Set<string>();
  pool.onApplied((report) => {
    const sent = sentMs.get(report.fabricId);
    if (sent === undefined || applied.has(report.fabricId)) return;
    applied.add(report.fabricId);
    result.notifiedMs.push(report.notifiedMs - sent);
    result.fetchedMs.push(report.fetchedMs - sent);
    result.acknowledgedMs.push(report.storedMs - sent);
    if (applied.size === fabrics.length) resolve();
  });
  try {
    const startMs = monotonicMs();
    await Promise.all(
      fabrics.map(async (fabric, n) => {
        if (pace !== "at-once") await untilMs(startMs + (n / pace) * 1_000);
        const mineMs = pace === "at-once" ? startMs : monotonicMs();
        sentMs.set(fabric.fabricId, mineMs);
        await client.call.deployApp(aDeploy(fabric, options.app), { timeoutMs: 60_000 });
        result.answeredMs.push(monotonicMs() - mineMs);
      }),
    );
    await allApplied;
  } finally {
    await client.stop(AbortSignal.timeout(5_000));
  }
  for (const times of Object.values(result)) times.sort((a, b) => a - b);
  return result;
}

function untilMs(atMs: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, Math.max(0, atMs - monotonicMs())));
}

function aDeploy(fabric: AgentSeed, app: string): DeployAppRequest {
  const digest = `sha256:${"a".repeat(64)}`;
  return {
    requestId: randomUUID(),
    app: { org, environment, name: `${app}-${fabric.fabricName}` },
    fabric: fabric.fabricName,
    bundle: { digest, sizeBytes: 10_000n, path: `/v1/bundles/${digest}` },
    manifestJson: JSON.stringify({ name: app, version: "1.0.0", runtime: { command: ["node", "server.mjs"] } }),
    version: "1.0.0",
    configuration: undefined,
    replicas: 2,
    publicPort: undefined,
    routes: undefined,
    strategy: undefined,
    requestedBy: "bench",
  };
}

/** The value below which `share` of an ascending list lies. */
export function percentile(ascending: readonly number[], share: number): number {
  return ascending[Math.min(ascending.length - 1, Math.ceil(ascending.length * share) - 1)] ?? Number.NaN;
}
