import { randomUUID } from "node:crypto";
import type { ApiRoutes } from "@drawbridge/contracts/apis/v1/route";
import { verifyJws, IdentityHolder, type IdentitySnapshot } from "@drawbridge/pki";
import { Snapshot, type AppStatus } from "@drawbridge/contracts/runtime/v1/app";
import {
  TunnelServiceClient,
  type ConnectRequest,
  type ConnectResponse,
  type GetAnalyticsAccessResponse,
  type GetApiConfigurationResponse,
  type GetApiObjectsResponse,
  type Heartbeat,
  type Hello,
  type Status,
} from "@drawbridge/contracts/tunnel/v1/tunnel_service";
import { createGrpcClient, fromGrpcError } from "@drawbridge/rpc";
import { createTestLogger } from "@drawbridge/testkit";
import { AppPhase } from "@drawbridge/contracts/runtime/v1/app";

type ServerFrame = NonNullable<ConnectResponse["frame"]>;
type FrameOf<C extends ServerFrame["$case"]> = Extract<ServerFrame, { $case: C }>["value"];

export interface ReceivedFrame {
  readonly frame: ServerFrame;
  readonly correlationId: string;
}

/** Speaks the tunnel's protocol as an agent does, one frame at a time, as the test says. */
export interface SimulatedAgent extends AsyncDisposable {
  readonly frames: readonly ReceivedFrame[];
  /** The first frame of this kind after the ones that were taken before; rejects when the stream ends first. */
  next<C extends ServerFrame["$case"]>(
    kind: C,
  ): Promise<{ readonly value: FrameOf<C>; readonly correlationId: string }>;
  send(frame: NonNullable<ConnectRequest["frame"]>, correlationId?: string): bigint;
  heartbeat(change?: Partial<Heartbeat>): Promise<FrameOf<"heartbeatAck">>;
  /** Report and wait for the acknowledgement. */
  report(status: Partial<Status>): Promise<void>;
  /** Fetch, verify and take over the snapshot. */
  fetch(
    haveDigest?: string,
  ): Promise<{ readonly notModified: boolean; readonly digest: string; readonly snapshot: Snapshot }>;
  fetchConfiguration(haveDigest?: string): Promise<GetApiConfigurationResponse>;
  fetchObjects(digests: readonly Buffer[]): Promise<GetApiObjectsResponse>;
  reportRoutes(apis: readonly ApiRoutes[]): Promise<void>;
  getAnalyticsAccess(): Promise<GetAnalyticsAccessResponse>;
  /** Resolves with the error of the stream, undefined for an orderly end. */
  readonly ended: Promise<unknown>;
  /** Cut the connection without a word. */
  cut(): Promise<void>;
}

export interface AgentOptions {
  readonly address: string;
  readonly identity: IdentitySnapshot;
  readonly epoch: bigint;
  readonly hello?: Partial<Hello>;
}

const forever = new AbortController().signal;

/** Open a tunnel and say hello; does not wait for the answer. */
export async function openTunnel({ address, identity, epoch, hello }: AgentOptions): Promise<SimulatedAgent> {
  if (identity.identity.kind !== "agent") throw new Error("a tunnel needs the identity of an agent");
  const client = createGrpcClient(TunnelServiceClient, {
    address,
    identity: new IdentityHolder(identity),
    expectedServer: "/cp/runtime-manager",
    logger: createTestLogger().logger,
  });
  await client.start(forever);
  const stream = client.call.connect();
  const frames: ReceivedFrame[] = [];
  let taken = 0;
  let seq = 0n;
  let wake = Promise.withResolvers<void>();
  const over = Promise.withResolvers<unknown>();
  let isOver = false;
  stream.on("data", (response: ConnectResponse) => {
    if (response.frame) frames.push({ frame: response.frame, correlationId: response.correlationId });
    wake.resolve();
    wake = Promise.withResolvers<void>();
  });
  const end = (error: unknown): void => {
    isOver = true;
    over.resolve(error);
    wake.resolve();
  };
  stream.on("error", (error: unknown) => end(fromGrpcError(error, "runtime-manager")));
  stream.on("end", () => end(undefined));

  const agent: SimulatedAgent = {
    frames,
    ended: over.promise,
    send: (frame, correlationId = "") => {
      seq += 1n;
      stream.write({ seq, ack: 0n, correlationId, frame });
      return seq;
    },
    next: async (kind) => {
      for (;;) {
        for (; taken < frames.length; taken += 1) {
          const received = frames[taken];
          if (received?.frame.$case !== kind) continue;
          taken += 1;
          // the case was compared with the kind that was asked for
          return { value: received.frame.value as FrameOf<typeof kind>, correlationId: received.correlationId };
        }
        if (isOver) throw (await over.promise) ?? new Error(`the stream ended before ${kind}`);
        await wake.promise;
      }
    },
    heartbeat: async (change = {}) => {
      agent.send({
        $case: "heartbeat",
        value: {
          agentTime: new Date(),
          observedGeneration: 0n,
          snapshotDigest: "",
          trustBundleSequence: 1n,
          alerts: [],
          certificates: [],
          ...change,
        },
      });
      return (await agent.next("heartbeatAck")).value;
    },
    report: async (status) => {
      const mine = agent.send({
        $case: "status",
        value: { observedGeneration: 0n, snapshotDigest: "", complete: false, apps: [], removedAppIds: [], ...status },
      });
      for (;;) if ((await agent.next("statusAck")).value.statusSeq === mine) return;
    },
    fetch: async (haveDigest = "") => {
      const response = await client.call.getSnapshot({ haveDigest });
      if (response.notModified) return { notModified: true, digest: haveDigest, snapshot: Snapshot.fromPartial({}) };
      const { payload } = await verifyJws({
        jws: response.snapshotJws,
        trustBundle: identity.trustBundle,
        expectedSigner: "/cp/runtime-manager",
        type: "drawbridge-snapshot+jws",
        at: new Date(),
      });
      const snapshot = Snapshot.fromJSON(JSON.parse(Buffer.from(payload).toString()));
      return { notModified: false, digest: response.digest, snapshot };
    },
    fetchConfiguration: (haveDigest = "") => client.call.getApiConfiguration({ haveDigest }),
    fetchObjects: (digests) => client.call.getApiObjects({ digests: [...digests] }),
    reportRoutes: async (apis) => void (await client.call.reportRoutes({ apis: [...apis] })),
    getAnalyticsAccess: () => client.call.getAnalyticsAccess({}),
    cut: async () => {
      stream.cancel();
      await client.stop(AbortSignal.abort());
    },
    [Symbol.asyncDispose]: () => agent.cut(),
  };
  agent.send({
    $case: "hello",
    value: {
      agentId: identity.identity.agentId,
      bootId: randomUUID(),
      epoch,
      protocolMin: 1,
      protocolMax: 1,
      cluster: {
        driver: "process",
        agentVersion: "0.1.0",
        clusterVersion: "linux",
        kubernetesVersion: "",
        containerRuntimeVersion: "node 26.10.0",
        nodes: 1,
        cpuMillicores: 2_000n,
        memoryBytes: 8_000_000_000n,
        logsAllowed: true,
      },
      trustBundleSequence: 1n,
      observedGeneration: 0n,
      snapshotDigest: "",
      agentTime: new Date(),
      certificates: [],
      ...hello,
    },
  });
  return agent;
}

/** What an agent says of an app that runs as it should. */
export function aStatus(appId: string, change: Partial<AppStatus> = {}): AppStatus {
  return {
    appId,
    observedGeneration: 1n,
    appliedDigest: "sha256:applied",
    phase: AppPhase.APP_PHASE_RUNNING,
    servingRevision: 1n,
    readyReplicas: 1,
    replicas: [],
    conditions: [],
    endpoints: ["http://127.0.0.1:18000"],
    observedAt: new Date(),
    gates: [],
    ...change,
  };
}
