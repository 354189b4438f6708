import {
  CertificateAuthorityServiceService,
  CertificateState,
} from "@drawbridge/contracts/certs/v1/certificate_authority_service";
import { ArtefactReferenceServiceService } from "@drawbridge/contracts/runtime/v1/artefact_reference_service";
import { EntitlementServiceService } from "@drawbridge/contracts/runtime/v1/app_service";
import { DrawbridgeError } from "@drawbridge/errors";
import { IdentityHolder } from "@drawbridge/pki";
import { createGrpcServer, defineGrpcService } from "@drawbridge/rpc";
import { createTestLogger, type TestCa } from "@drawbridge/testkit";

/** What config-resolver asks of cert-authority and runtime-manager, answered on real ports as the test says. */
export interface Peers extends AsyncDisposable {
  readonly certAuthority: string;
  readonly runtimeManager: string;
  /** "<fabricId> <digest>" of what is deployed. */
  readonly deployed: Set<string>;
  /** Serial numbers. */
  readonly revoked: Set<string>;
  /** Digests that apps refer to. */
  readonly referenced: Set<string>;
  /** Questions that runtime-manager was asked. */
  readonly questions: string[];
  stopRuntimeManager(): Promise<void>;
}

export async function startPeers(ca: TestCa): Promise<Peers> {
  const { logger } = createTestLogger();
  const deployed = new Set<string>();
  const revoked = new Set<string>();
  const referenced = new Set<string>();
  const questions: string[] = [];
  const configResolver = [{ service: "config-resolver" }] as const;
  const unused = () =>
    Promise.reject(new DrawbridgeError({ kind: "unimplemented", code: "NOT_HERE", message: "not here" }));

  const entitlement = defineGrpcService(EntitlementServiceService, {
    allow: { checkEntitlement: configResolver },
    handlers: {
      checkEntitlement: async ({ fabricId, digest }) => {
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
  const certificates = defineGrpcService(CertificateAuthorityServiceService, {
    allow: {
      issueFabricCertificate: [],
      issueServiceCertificate: [],
      getTrustBundle: [],
      getCertificate: configResolver,
      activateCertificate: [],
      revokeCertificates: [],
      listCertificates: [],
    },
    handlers: {
      issueFabricCertificate: unused,
      issueServiceCertificate: unused,
      getTrustBundle: unused,
      getCertificate: async ({ serialNumber }) => ({
        certificate: {
          serialNumber,
          spiffeId: "",
          fabricId: "",
          state: revoked.has(serialNumber)
            ? CertificateState.CERTIFICATE_STATE_REVOKED
            : CertificateState.CERTIFICATE_STATE_ACTIVE,
          notBefore: undefined,
          notAfter: undefined,
          fingerprintSha256: "",
          issuerId: "",
          issuedAt: undefined,
          spkiSha256: "",
          revocationReason: "",
        },
      }),
      activateCertificate: unused,
      revokeCertificates: unused,
      listCertificates: unused,
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
    revoked,
    referenced,
    questions,
    stopRuntimeManager: runtimeManager.stop,
    [Symbol.asyncDispose]: async () => {
      await Promise.all([certAuthority.stop(), runtimeManager.stop()]);
    },
  };
}
