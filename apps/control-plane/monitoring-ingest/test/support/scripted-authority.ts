import {
  CertificateAuthorityServiceService,
  CertificateRecord,
  CertificateState,
} from "@drawbridge/contracts/certs/v1/certificate_authority_service";
import { RevocationServiceService } from "@drawbridge/contracts/certs/v1/revocation_service";
import { DrawbridgeError } from "@drawbridge/errors";
import { IdentityHolder } from "@drawbridge/pki";
import { createGrpcServer, defineGrpcService } from "@drawbridge/rpc";
import { createTestLogger, type TestCa } from "@drawbridge/testkit";

/** A cert-authority on a real port that has issued whatever the test signed, also certificates that live for seconds. */
export interface ScriptedAuthority extends AsyncDisposable {
  readonly address: string;
  /** Serial numbers that it has no record of. */
  readonly forgotten: Set<string>;
}

export async function startScriptedAuthority(ca: TestCa): Promise<ScriptedAuthority> {
  const forgotten = new Set<string>();
  const monitoringIngest = [{ service: "monitoring-ingest" }] as const;
  const unused = () =>
    Promise.reject(new DrawbridgeError({ kind: "unimplemented", code: "NOT_HERE", message: "not here" }));
  const find = async ({ serialNumber }: { readonly serialNumber: string }) => {
    if (forgotten.has(serialNumber))
      throw new DrawbridgeError({ kind: "not_found", code: "CERTIFICATE_NOT_FOUND", message: "no such certificate" });
    const state = CertificateState.CERTIFICATE_STATE_ISSUED;
    return { certificate: CertificateRecord.fromPartial({ serialNumber, state }) };
  };
  const service = defineGrpcService(CertificateAuthorityServiceService, {
    allow: {
      issueFabricCertificate: [],
      issueServiceCertificate: [],
      getTrustBundle: [],
      getCertificate: monitoringIngest,
      activateCertificate: monitoringIngest,
      revokeCertificates: [],
      listCertificates: [],
    },
    handlers: {
      issueFabricCertificate: unused,
      issueServiceCertificate: unused,
      getTrustBundle: unused,
      getCertificate: find,
      activateCertificate: find,
      revokeCertificates: unused,
      listCertificates: unused,
    },
  });
  const revocations = defineGrpcService(RevocationServiceService, {
    allow: { listRevocations: monitoringIngest },
    handlers: {
      listRevocations: async ({ afterPosition }) => ({
        revocations: [],
        nextPosition: afterPosition,
        more: false,
        listId: "list-1",
      }),
    },
  });
  const server = createGrpcServer({
    name: "cert-authority",
    listen: { host: "127.0.0.1", port: 0 },
    identity: new IdentityHolder(await ca.issueService("cert-authority")),
    clientCertificate: "required",
    services: [service, revocations],
    logger: createTestLogger().logger,
  });
  await server.start(new AbortController().signal);
  return {
    address: `127.0.0.1:${server.address().port}`,
    forgotten,
    [Symbol.asyncDispose]: () => server.stop(AbortSignal.timeout(1_000)),
  };
}
