import { RevocationServiceService, type Revocation } from "@drawbridge/contracts/certs/v1/revocation_service";
import { ArtefactReferenceServiceService } from "@drawbridge/contracts/runtime/v1/artefact_reference_service";
import { EntitlementServiceService } from "@drawbridge/contracts/runtime/v1/app_service";
import { DrawbridgeError } from "@drawbridge/errors";
import { IdentityHolder, type IdentitySnapshot } from "@drawbridge/pki";
import { createGrpcServer, defineGrpcService } from "@drawbridge/rpc";
import { createTestLogger, type TestCa } from "@drawbridge/testkit";

/** What config-resolver asks of cert-authority and runtime-manager, answered on real ports as the test says. */
export interface Peers extends AsyncDisposable {
  readonly certAuthority: string;
  readonly runtimeManager: string;
  /** "<fabricId> <digest>" of what is deployed. */
  readonly deployed: Set<string>;
  revoke(identity: IdentitySnapshot): void;
  stopCertAuthority(): Promise<void>;
  /** Digests that apps refer to. */
  readonly referenced: Set<string>;
  /** Questions that runtime-manager was asked. */
  readonly questions: string[];
  /** Agents that get nothing. */
  readonly locked: Set<string>;
  stopRuntimeManager(): Promise<void>;
}

export async function startPeers(ca: TestCa): Promise<Peers> {
  const { logger } = createTestLogger();
  const deployed = new Set<string>();
  const revoked: Revocation[] = [];
  const referenced = new Set<string>();
  const questions: string[] = [];
  const locked = new Set<string>();
  const configResolver = [{ service: "config-resolver" }] as const;

  const entitlement = defineGrpcService(EntitlementServiceService, {
    allow: { checkEntitlement: configResolver },
    handlers: {
      checkEntitlement: async ({ fabricId, digest, agentId }) => {
        if (locked.has(agentId)) {
          throw new DrawbridgeError({
            kind: "permission_denied",
            code: "AGENT_LOCKED",
            message: "the agent is locked",
          });
        }
        questions.push(`${fabricId} ${digest}`);
        return { entitled: deployed.has(`${fabricId} ${digest}`) };
      },
    },
  });
  const references = defineGrpcService(ArtefactReferenceServiceService, {
    allow: { filterReferenced: configResolver },
    handlers: {
      filterReferenced: async ({ digests }) => ({ referenced: digests.filter((digest) => referenced.has(digest)) }),
    },
  });
  const certificates = defineGrpcService(RevocationServiceService, {
    allow: { listRevocations: configResolver },
    handlers: {
      listRevocations: async ({ afterPosition }) => ({
        revocations: revoked.slice(Number(afterPosition)),
        nextPosition: BigInt(revoked.length),
        more: false,
        listId: "list-1",
      }),
    },
  });
  const start = async (name: string, services: readonly (typeof entitlement)[]) => {
    const identity = new IdentityHolder(await ca.issueService(name));
    const server = createGrpcServer({
      name,
      listen: { host: "127.0.0.1", port: 0 },
      identity,
      clientCertificate: "required",
      services,
      logger,
    });
    await server.start(new AbortController().signal);
    return { address: `127.0.0.1:${server.address().port}`, stop: () => server.stop(AbortSignal.timeout(1_000)) };
  };
  const certAuthority = await start("cert-authority", [certificates]);
  const runtimeManager = await start("runtime-manager", [entitlement, references]);
  return {
    certAuthority: certAuthority.address,
    runtimeManager: runtimeManager.address,
    deployed,
    revoke: ({ serialNumber, spiffeId, notAfter }) =>
      void revoked.push({
        position: BigInt(revoked.length + 1),
        serialNumber,
        fingerprintSha256: "",
        spiffeId,
        fabricId: "",
        revokedAt: new Date(),
        notAfter,
        reason: "key leaked",
      }),
    stopCertAuthority: certAuthority.stop,
    referenced,
    questions,
    locked,
    stopRuntimeManager: runtimeManager.stop,
    [Symbol.asyncDispose]: async () => {
      await Promise.all([certAuthority.stop(), runtimeManager.stop()]);
    },
  };
}
