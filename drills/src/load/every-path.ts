import { addressOf, type ShownApp, startLoad, type TestStack } from "@drawbridge/local/testing";
import { readFabricIdentity, tlsOf } from "../stack/fabric-identity.ts";
import { readMetric } from "../stack/metrics.ts";
import { rest } from "../stack/rest.ts";
import { tlsRequest } from "../stack/tls-request.ts";
import { type LoopReport, type RunningLoop, startLoop } from "./start-loop.ts";
import { type TunnelReport, watchTunnel } from "./watch-tunnel.ts";

export interface EveryPathReport {
  readonly paths: readonly LoopReport[];
  readonly tunnel: TunnelReport;
}

const pauseMs = 50;
const pauseBetweenDeploymentsMs = 1_000;

/**
 * Load on every path that uses a certificate, and on an app, which must not care. Each request of ours makes a connection of its
 * own, with what the state folder holds at that moment; the long-lived connections are those of the processes themselves.
 */
export async function startEveryPath(stack: TestStack, app: ShownApp): Promise<{ stop(): Promise<EveryPathReport> }> {
  const { ports, layout } = stack.stack;
  const deployed = await rest<{ readonly bundleDigest: string }>(stack, `/v1/environments/production/apps/${app.name}`);
  const apps = startLoad(addressOf(app), 2);
  const collector = await watchCollector(ports.ops.monitoringCollector);
  const tunnel = watchTunnel(ports.ops.agent);
  const loops: readonly RunningLoop[] = [
    startLoop(
      "REST, and gRPC between the services",
      async () => void (await rest(stack, "/v1/fabrics/local")),
      pauseMs,
    ),
    startLoop(
      "bundle from config-resolver",
      async () => {
        const identity = await readFabricIdentity(layout.agent);
        const { status, body } = await tlsRequest(tlsOf(identity, "config-resolver"), {
          url: `https://127.0.0.1:${ports.configResolver}/v1/bundles/${deployed.bundleDigest}`,
        });
        if (status !== 200) throw new Error(`status ${status}: ${body.slice(0, 300)}`);
      },
      pauseMs,
    ),
    startLoop("deployment through the tunnel", deployments(stack), pauseBetweenDeploymentsMs),
  ];
  return {
    stop: async () => {
      const reports = await Promise.all(loops.map((loop) => loop.stop()));
      const app = await apps.stop();
      return {
        paths: [{ path: "app through its front", ...app }, ...reports, await collector.stop()],
        tunnel: await tunnel.stop(),
      };
    },
  };
}

/** An operator who deploys one version after the other and waits for each: upload, snapshot, download and status. */
function deployments(stack: TestStack): () => Promise<void> {
  let made = 0;
  return async () => {
    made += 1;
    const directory = await stack.hello({ version: `1.0.${made}`, name: "changing" });
    await stack.deploy(directory);
  };
}

/** Check-ins that the collector counted meanwhile. */
async function watchCollector(opsPort: number): Promise<RunningLoop> {
  const results = ["ok", "refused", "unavailable", "unreachable", "failed"] as const;
  const count = async (): Promise<readonly number[]> =>
    Promise.all(
      results.map(
        async (result) =>
          (await readMetric(opsPort, "drawbridge_monitoring_collector_check_ins_total", { result })) ?? 0,
      ),
    );
  const before = await count();
  return {
    stop: async () => {
      const [answered = 0, ...failed] = (await count()).map((value, index) => value - (before[index] ?? 0));
      const failures = failed.flatMap((times, index) =>
        times > 0 ? [`collector's check-ins: ${times} ${results[index + 1]}`] : [],
      );
      return { path: "collector's check-ins", answered, failures };
    },
  };
}
