import { connect, constants, type ClientHttp2Session, type ClientHttp2Stream } from "node:http2";
import type { SecureContext } from "node:tls";
import { AppPhase, Snapshot } from "@drawbridge/contracts/runtime/v1/app";
import {
  ConnectRequest,
  ConnectResponse,
  GetSnapshotRequest,
  GetSnapshotResponse,
} from "@drawbridge/contracts/tunnel/v1/tunnel_service";
import { monotonicMs, type AgentSeed, type HostReport, type HostTarget } from "./agent-protocol.ts";
import { createGrpcReader, encodeGrpcFrame } from "./grpc-frames.ts";

const tunnelPath = "/drawbridge.tunnel.v1.TunnelService/";
const peerPath = "/drawbridge.bench.Peer/Echo";

export interface TunnelClientOptions {
  readonly seed: AgentSeed;
  readonly secureContext: SecureContext;
  readonly target: HostTarget;
  readonly epoch: bigint;
  readonly onConnected: (terms: { readonly heartbeatMs: number; readonly reconnectWindowMs: number }) => void;
  readonly onApplied: (report: Omit<Extract<HostReport, { report: "applied" }>, "report" | "fabricId">) => void;
  /** Once, whether it was connected or not. */
  readonly onClosed: (reason: string) => void;
}

export interface TunnelClient {
  heartbeat(): void;
  close(): void;
}

/**
 * The client's end of a tunnel: node:http2 and hand-made gRPC frames, so that thousands fit into one process. It does
 * what an agent does on the wire: hello, heartbeats, fetching the snapshot on notify, reporting, waiting for the answer.
 */
export function openTunnelClient(options: TunnelClientOptions): TunnelClient {
  const { seed, target } = options;
  const session = connect(`https://127.0.0.1:${target.port}`, {
    secureContext: options.secureContext,
    checkServerIdentity: () => undefined, // one certificate authority, made for this run
    settings: { enablePush: false },
  });
  let isClosed = false;
  function closed(reason: string): void {
    if (isClosed) return;
    isClosed = true;
    session.destroy();
    options.onClosed(reason);
  }
  session.on("error", (error: NodeJS.ErrnoException) => closed(error.code ?? "ERROR"));
  session.on("close", () => closed("CLOSED"));
  const stream = request(session, target.kind === "tunnel" ? `${tunnelPath}Connect` : peerPath);
  stream.on("error", (error) => closed(causeOf(error)));
  stream.on("close", () => closed("STREAM_CLOSED"));

  let seq = 0n;
  function send(frame: NonNullable<ConnectRequest["frame"]>): bigint {
    seq += 1n;
    stream.write(encodeGrpcFrame(ConnectRequest.encode({ seq, ack: 0n, correlationId: "", frame }).finish()));
    return seq;
  }

  const waiting = new Map<bigint, (storedMs: number) => void>();
  let generation = 0n;
  let digest = "";

  async function apply(notifiedMs: number): Promise<void> {
    const response = await fetchSnapshot(session, digest);
    if (response.notModified || response.generation <= generation) return;
    const fetchedMs = monotonicMs();
    ({ generation, digest } = response);
    const [, payload = ""] = response.snapshotJws.split(".");
    const snapshot = Snapshot.fromJSON(JSON.parse(Buffer.from(payload, "base64url").toString()));
    const reported = send({ $case: "status", value: statusOf(snapshot, digest) });
    const storedMs = await new Promise<number>((resolve) => waiting.set(reported, resolve));
    options.onApplied({ generation: String(snapshot.generation), notifiedMs, fetchedMs, storedMs });
  }

  function onFrame({ frame }: ConnectResponse): void {
    if (frame?.$case === "welcome") {
      const { heartbeatMs, reconnectWindowMs, desiredGeneration, desiredDigest } = frame.value;
      generation = desiredGeneration;
      digest = desiredDigest;
      options.onConnected({ heartbeatMs, reconnectWindowMs });
    } else if (frame?.$case === "notify") {
      apply(monotonicMs()).catch(() => closed("SNAPSHOT_FAILED"));
    } else if (frame?.$case === "statusAck") {
      waiting.get(frame.value.statusSeq)?.(monotonicMs());
      waiting.delete(frame.value.statusSeq);
    } else if (frame?.$case === "kick") {
      closed(frame.value.reason);
    }
  }

  let isEchoed = false;
  const read = createGrpcReader((message) => {
    if (target.kind === "tunnel") onFrame(ConnectResponse.decode(message));
    else if (!isEchoed) options.onConnected({ heartbeatMs: 15_000, reconnectWindowMs: 2_000 });
    isEchoed = true;
  });
  stream.on("data", read);
  send({ $case: "hello", value: helloOf(seed.agentId, options.epoch) });

  return {
    heartbeat: () => {
      if (isClosed) return;
      send({
        $case: "heartbeat",
        value: {
          agentTime: new Date(),
          observedGeneration: generation,
          snapshotDigest: digest,
          trustBundleSequence: 1n,
          alerts: [],
          certificates: [],
        },
      });
    },
    close: () => closed("LEFT"),
  };
}

/** Why a stream broke: as a rule its connection did, and that is the cause. */
function causeOf(error: NodeJS.ErrnoException): string {
  const { cause } = error;
  const code = cause instanceof Error && "code" in cause ? cause.code : error.code;
  return typeof code === "string" ? code : "STREAM_ERROR";
}

function request(session: ClientHttp2Session, path: string): ClientHttp2Stream {
  return session.request({
    [constants.HTTP2_HEADER_METHOD]: "POST",
    [constants.HTTP2_HEADER_PATH]: path,
    [constants.HTTP2_HEADER_CONTENT_TYPE]: "application/grpc",
    [constants.HTTP2_HEADER_TE]: "trailers",
  });
}

function fetchSnapshot(session: ClientHttp2Session, haveDigest: string): Promise<GetSnapshotResponse> {
  return new Promise((resolve, reject) => {
    const stream = request(session, `${tunnelPath}GetSnapshot`);
    stream.on("error", reject);
    stream.on(
      "data",
      createGrpcReader((message) => resolve(GetSnapshotResponse.decode(message))),
    );
    stream.on("close", () => reject(new Error("no snapshot came")));
    stream.end(encodeGrpcFrame(GetSnapshotRequest.encode({ haveDigest }).finish()));
  });
}

function helloOf(agentId: string, epoch: bigint) {
  return {
    agentId,
    bootId: "bench",
    epoch,
    protocolMin: 1,
    protocolMax: 1,
    cluster: {
      driver: "process",
      agentVersion: "0.1.0",
      clusterVersion: "bench",
      kubernetesVersion: "",
      containerRuntimeVersion: "node",
      nodes: 1,
      cpuMillicores: 2_000n,
      memoryBytes: 8_000_000_000n,
      logsAllowed: false,
    },
    trustBundleSequence: 1n,
    observedGeneration: 0n,
    snapshotDigest: "",
    agentTime: new Date(),
    certificates: [],
  };
}

/** Every app runs as it should. */
function statusOf(snapshot: Snapshot, snapshotDigest: string) {
  return {
    observedGeneration: snapshot.generation,
    snapshotDigest,
    complete: true,
    removedAppIds: snapshot.tombstones.map((tombstone) => tombstone.appId),
    apps: snapshot.apps.map((app) => ({
      appId: app.appId,
      observedGeneration: app.generation,
      appliedDigest: app.specDigest,
      phase: AppPhase.APP_PHASE_RUNNING,
      servingRevision: app.revision,
      readyReplicas: app.replicas,
      replicas: [],
      conditions: [],
      endpoints: [],
      observedAt: new Date(),
      gates: [],
    })),
  };
}
