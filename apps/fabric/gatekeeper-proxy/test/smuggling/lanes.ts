import { createTestCa, freePort } from "@drawbridge/testkit";
import { aListener, anApp, startWorker, type WorkerThread } from "../support/worker-thread.ts";
import { startRawUpstream, type RawUpstream } from "./raw-upstream.ts";
import type { SmugglingLane } from "./suite.ts";

export interface SmugglingGateway extends AsyncDisposable {
  readonly worker: WorkerThread;
  /** Cases that run at the same time need one each. */
  readonly lanes: readonly (SmugglingLane & { readonly upstream: RawUpstream })[];
}

/** Short limits, so that slow clients are a matter of seconds. */
const settings = {
  headersTimeoutMs: 1_000,
  requestTimeoutMs: 2_000,
  responseTimeoutMs: 5_000,
  idleTimeoutMs: 5_000,
  shedDelayMs: 60_000,
};

export async function startSmugglingGateway(
  laneCount: number,
  upstreamClient: "own" | "undici" = "own",
): Promise<SmugglingGateway> {
  const ca = await createTestCa();
  const identity = await ca.issueService("gateway");
  const worker = await startWorker({ settings: { ...settings, upstreamClient } });
  const lanes: (SmugglingLane & { readonly upstream: RawUpstream })[] = [];
  for (let index = 0; index < laneCount; index += 1) {
    const upstream = await startRawUpstream();
    const appId = `app-${index}`;
    const port = await freePort();
    const securePort = await freePort();
    const target = { kind: "app", appId } as const;
    const tls = { certificateChainPem: identity.certificateChainPem, privateKeyPem: identity.privateKeyPem };
    await worker.apply(
      {
        change: "app_set",
        app: anApp({ appId, replicas: [{ replicaId: `r${index}`, address: "127.0.0.1", port: upstream.port }] }),
      },
      { change: "listener_set", listener: aListener(port, { target }) },
      { change: "listener_set", listener: aListener(securePort, { target, tls }) },
    );
    lanes.push({ port, securePort, upstream });
  }
  return {
    worker,
    lanes,
    async [Symbol.asyncDispose]() {
      await worker[Symbol.asyncDispose]();
      for (const { upstream } of lanes) await upstream[Symbol.asyncDispose]();
    },
  };
}
