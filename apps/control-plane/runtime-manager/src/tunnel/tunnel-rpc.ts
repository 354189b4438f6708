import { TunnelServiceService, type ConnectRequest } from "@drawbridge/contracts/tunnel/v1/tunnel_service";
import { DrawbridgeError } from "@drawbridge/errors";
import { defineGrpcService, type CallContext, type GrpcServiceDefinition } from "@drawbridge/rpc";
import { accessUnavailable, type GrantAccess } from "../analytics/grant-access.ts";
import type { PassRoutes } from "../api-configuration/pass-routes.ts";
import type { ServeConfiguration } from "../api-configuration/serve-configuration.ts";
import { fabricId } from "../domain/ids.ts";
import type { HoldSession } from "./hold-session.ts";
import { snapshotNotReady, type SnapshotCache } from "../snapshot/snapshot-cache.ts";
import { agentLocked } from "../store/admit.ts";
import type { SnapshotAccess, SnapshotRepository } from "../store/snapshots.ts";
import { agentOf } from "./agent-identity.ts";
import type { HelloGate } from "./hello-gate.ts";
import type { OpenSession } from "./open-session.ts";
import type { TunnelCall } from "./tunnel-session.ts";

export interface TunnelRpcDeps {
  readonly gate: HelloGate;
  readonly openSession: OpenSession;
  readonly holdSession: HoldSession;
  readonly snapshots: SnapshotCache;
  readonly access: Pick<SnapshotRepository, "access">;
  readonly configuration: ServeConfiguration;
  readonly routes: PassRoutes;
  readonly grantAnalyticsAccess: GrantAccess;
}

export function createTunnelRpc(deps: TunnelRpcDeps): GrpcServiceDefinition {
  /** The fabric that the caller speaks for, and the generation that it should be at. */
  async function readerOf({ peer }: CallContext, notReady = snapshotNotReady) {
    const { agentId, serialNumber, ...agent } = agentOf(peer);
    const id = fabricId(agent.fabricId);
    const access = await orNotReady(() => deps.access.access({ fabricId: id, agentId, serialNumber }), notReady);
    return { id, wanted: generationOf(access) };
  }

  return defineGrpcService(TunnelServiceService, {
    allow: {
      connect: [{ fabric: "agent" }],
      getSnapshot: [{ fabric: "agent" }],
      getApiConfiguration: [{ fabric: "agent" }],
      getApiObjects: [{ fabric: "agent" }],
      reportRoutes: [{ fabric: "agent" }],
      getAnalyticsAccess: [{ fabric: "agent" }],
    },
    handlers: {
      connect: async (call, context) => {
        const { peer, connectionId, signal } = context;
        const frame = await firstFrame(call, context, deps.gate);
        const session = await deps.gate.enter(() => deps.openSession({ frame, call, peer, connectionId }));
        await deps.holdSession(session, call, signal);
      },
      getSnapshot: async ({ haveDigest }, context) => {
        const { id, wanted } = await readerOf(context);
        const snapshot = await orNotReady(() => deps.snapshots.load(id, wanted));
        if (!snapshot) throw refusals.unknown();
        const { generation, digest } = snapshot;
        if (digest === haveDigest) return { notModified: true, generation: 0n, digest: "", snapshotJws: "" };
        return { notModified: false, generation, digest, snapshotJws: deps.snapshots.sign(snapshot) };
      },
      getApiConfiguration: async ({ haveDigest }, context) => {
        const { id } = await readerOf(context);
        return deps.configuration.root(id, haveDigest);
      },
      getApiObjects: async ({ digests }, context) => {
        const { id } = await readerOf(context);
        return deps.configuration.objects(id, digests);
      },
      reportRoutes: async ({ apis }, context) => {
        const { id } = await readerOf(context);
        await deps.routes.pass(id, apis);
        return {};
      },
      getAnalyticsAccess: async (_request, context) => {
        const { id } = await readerOf(context, accessUnavailable);
        return deps.grantAnalyticsAccess(id);
      },
    },
  });
}

/** The first frame, with the stream paused behind it until somebody reads on. */
async function firstFrame(
  call: TunnelCall & {
    off(event: "data", listener: (frame: ConnectRequest) => void): unknown;
    off(event: "end", listener: () => void): unknown;
  },
  { signal }: CallContext,
  gate: Pick<HelloGate, "await">,
): Promise<ConnectRequest> {
  const { promise, resolve, reject } = Promise.withResolvers<ConnectRequest>();
  const onData = (frame: ConnectRequest): void => {
    call.pause();
    call.off("data", onData);
    resolve(frame);
  };
  const onHangUp = (): void => reject(helloExpected("the agent hung up before hello"));
  const arrived = gate.await(() => reject(helloExpected("no hello came in time")));
  call.on("data", onData);
  call.on("end", onHangUp);
  signal.addEventListener("abort", onHangUp, { once: true });
  try {
    return await promise;
  } finally {
    arrived();
    call.off("end", onHangUp);
    signal.removeEventListener("abort", onHangUp);
  }
}

async function orNotReady<T>(read: () => Promise<T>, notReady = snapshotNotReady): Promise<T> {
  try {
    return await read();
  } catch (error) {
    throw notReady(error);
  }
}

function generationOf(access: SnapshotAccess): bigint {
  if (access.access === "allowed") return access.generation;
  if (access.access === "locked") throw agentLocked(access.reason);
  throw refusals[access.access]();
}

const refusals = {
  unknown: () => refused("AGENT_UNKNOWN", "say hello on the tunnel first"),
  revoked: () => refused("AGENT_REVOKED", "the certificate was revoked; activate the fabric again"),
  superseded: () => refused("AGENT_SUPERSEDED", "another agent speaks for the fabric now"),
};

function refused(code: string, message: string): DrawbridgeError {
  return new DrawbridgeError({ kind: "permission_denied", code, message });
}

function helloExpected(message: string): DrawbridgeError {
  return new DrawbridgeError({ kind: "invalid_argument", code: "HELLO_EXPECTED", message });
}
