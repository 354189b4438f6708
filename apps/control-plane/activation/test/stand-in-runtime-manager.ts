import { join } from "node:path";
import { AgentServiceService, LockReason } from "@drawbridge/contracts/runtime/v1/agent_service";
import { DrawbridgeError } from "@drawbridge/errors";
import { IdentityHolder, loadIdentityDir } from "@drawbridge/pki";
import { createGrpcServer, defineGrpcService } from "@drawbridge/rpc";
import { createTestLogger } from "@drawbridge/testkit";

export interface Standing {
  readonly fabricDeleted?: boolean;
  readonly replaced?: boolean;
}

/** runtime-manager's AgentService over real TLS, with standings that a test writes. */
export interface StandInRuntimeManager extends AsyncDisposable {
  readonly address: string;
  /** What it knows; an agent that is not here is unknown. */
  readonly standings: Map<string, Standing>;
  readonly locks: Map<string, { readonly reason: LockReason; readonly message: string }>;
  /** Calls fail until it is there again. */
  isAway: boolean;
}

const forever = new AbortController().signal;

export async function startStandInRuntimeManager(identitiesDir: string): Promise<StandInRuntimeManager> {
  const standings = new Map<string, Standing>();
  const locks: StandInRuntimeManager["locks"] = new Map();
  const known = (agentId: string): Standing => {
    if (standIn.isAway) throw new DrawbridgeError({ kind: "unavailable", code: "STORE_UNAVAILABLE", message: "away" });
    const standing = standings.get(agentId);
    if (!standing) throw new DrawbridgeError({ kind: "not_found", code: "AGENT_UNKNOWN", message: "unknown" });
    return standing;
  };
  const answer = (agentId: string) => {
    const { fabricDeleted = false, replaced = false } = known(agentId);
    const lock = locks.get(agentId);
    return {
      standing: {
        agentId,
        fabricId: "",
        fabricName: "",
        org: "",
        fabricDeleted,
        replaced,
        lockReason: lock?.reason ?? LockReason.LOCK_REASON_UNSPECIFIED,
        connected: false,
        certificateSerial: "",
      },
    };
  };
  const activation = [{ service: "activation" }];
  const server = createGrpcServer({
    name: "stand-in",
    listen: { host: "127.0.0.1", port: 0 },
    identity: new IdentityHolder(await loadIdentityDir(join(identitiesDir, "runtime-manager"), new Date())),
    clientCertificate: "required",
    services: [
      defineGrpcService(AgentServiceService, {
        allow: { getAgentStanding: activation, lockAgent: activation, unlockAgent: activation, listTrustFollowers: [] },
        handlers: {
          getAgentStanding: async ({ agentId }) => answer(agentId),
          lockAgent: async ({ agentId, reason, message }) => {
            known(agentId);
            locks.set(agentId, { reason, message });
            return answer(agentId);
          },
          unlockAgent: async ({ agentId }) => {
            locks.delete(agentId);
            return answer(agentId);
          },
          listTrustFollowers: async () => ({ followers: [], nextPageToken: "" }),
        },
      }),
    ],
    logger: createTestLogger().logger,
  });
  await server.start(forever);
  const standIn: StandInRuntimeManager = {
    address: `127.0.0.1:${server.address().port}`,
    standings,
    locks,
    isAway: false,
    [Symbol.asyncDispose]: () => server.stop(AbortSignal.timeout(5_000)),
  };
  return standIn;
}
