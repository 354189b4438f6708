import {
  AuthorityServiceService,
  CaKeyState,
  type Follower,
  type GetAuthorityStatusResponse,
  RotationPhase,
} from "@drawbridge/contracts/certs/v1/authority_service";
import {
  CertificateAuthorityServiceService,
  type CertificateRecord,
  CertificateState,
  type RevokeCertificatesRequest,
} from "@drawbridge/contracts/certs/v1/certificate_authority_service";
import { DrawbridgeError } from "@drawbridge/errors";
import { defineGrpcService, type GrpcServiceDefinition } from "@drawbridge/rpc";

/** Cert-authority as far as the REST API sees it, in memory. */
export interface StandInCertAuthority {
  readonly services: readonly GrpcServiceDefinition[];
  readonly records: CertificateRecord[];
  readonly revocations: RevokeCertificatesRequest[];
  status: GetAuthorityStatusResponse;
  /** Every call that changes the rotation, by its fields. */
  readonly steps: unknown[];
}

const allow = [{ service: "management-api" }] as const;
const hour = 3_600_000;
const allowAll = (service: object) =>
  Object.fromEntries(Object.keys(service).map((method) => [method, allow])) as never; // one list for all

export function standInCertAuthority(): StandInCertAuthority {
  const unused = async (): Promise<never> => {
    throw new Error("not part of this stand-in");
  };
  function recordOf(serial: string): CertificateRecord {
    const record = self.records.find(({ serialNumber }) => serialNumber === serial);
    if (record) return record;
    throw new DrawbridgeError({
      kind: "not_found",
      code: "CERTIFICATE_NOT_FOUND",
      message: `no certificate ${serial}`,
    });
  }

  const certificates = defineGrpcService(CertificateAuthorityServiceService, {
    allow: allowAll(CertificateAuthorityServiceService),
    handlers: {
      issueFabricCertificate: unused,
      issueServiceCertificate: unused,
      activateCertificate: unused,
      getTrustBundle: async () => ({ trustBundle: self.status.trustBundle, succession: [] }),
      getCertificate: async ({ serialNumber }) => ({ certificate: recordOf(serialNumber) }),
      listCertificates: async ({ fabricId, unexpiredOnly, pageSize, pageToken }) => {
        const now = new Date();
        const all = self.records
          .filter((record) => fabricId === "" || record.fabricId === fabricId)
          .filter(({ notAfter }) => !unexpiredOnly || (notAfter !== undefined && notAfter > now));
        const start = pageToken === "" ? 0 : Number(pageToken);
        const end = start + pageSize;
        return { certificates: all.slice(start, end), nextPageToken: end < all.length ? String(end) : "" };
      },
      revokeCertificates: async (request) => {
        self.revocations.push(request);
        const { target, reason } = request;
        if (target?.$case === "serialNumber") recordOf(target.value);
        const hits = self.records.filter(
          (record) =>
            record.state !== CertificateState.CERTIFICATE_STATE_REVOKED &&
            ((target?.$case === "serialNumber" && record.serialNumber === target.value) ||
              (target?.$case === "fabricId" && record.fabricId === target.value) ||
              (target?.$case === "fingerprintSha256" && record.fingerprintSha256 === target.value)),
        );
        for (const hit of hits) {
          const revoked = { ...hit, state: CertificateState.CERTIFICATE_STATE_REVOKED, revocationReason: reason };
          self.records.splice(self.records.indexOf(hit), 1, { ...revoked, revokedAt: new Date() });
        }
        return { serialNumbers: hits.map(({ serialNumber }) => serialNumber) };
      },
    },
  });

  const authority = defineGrpcService(AuthorityServiceService, {
    allow: allowAll(AuthorityServiceService),
    handlers: {
      getTrustSuccession: unused,
      acknowledgeTrustBundle: unused,
      listOutdatedCertificates: unused,
      getAuthorityStatus: async () => self.status,
      startRotation: async (request) => {
        self.steps.push(request);
        if (self.status.phase !== RotationPhase.ROTATION_PHASE_STANDBY) throw conflict("ROTATION_IN_PROGRESS");
        self.status = aStatus({ phase: RotationPhase.ROTATION_PHASE_INIT, phaseSince: new Date() });
        return { status: self.status };
      },
      advanceRotation: async (request) => {
        self.steps.push(request);
        const { fromPhase, force } = request;
        if (self.status.phase === RotationPhase.ROTATION_PHASE_STANDBY) throw conflict("ROTATION_NOT_STARTED");
        if (self.status.phase !== fromPhase) throw conflict("ROTATION_PHASE_CHANGED");
        const behind = self.status.followers.filter(({ live, certificateCurrent }) => live && !certificateCurrent);
        if (behind.length > 0 && !force) throw conflict("ROTATION_NOT_ACKNOWLEDGED");
        self.status = aStatus({ phase: RotationPhase.ROTATION_PHASE_UPDATE_CLIENTS, phaseSince: new Date() });
        return { status: self.status, stranded: behind };
      },
      rollBackRotation: async (request) => {
        self.steps.push(request);
        if (self.status.phase === RotationPhase.ROTATION_PHASE_STANDBY) throw conflict("ROTATION_NOT_STARTED");
        self.status = aStatus({ phase: RotationPhase.ROTATION_PHASE_ROLLBACK, phaseSince: new Date() });
        return { status: self.status };
      },
    },
  });

  const self: StandInCertAuthority = {
    services: [certificates, authority],
    records: [],
    revocations: [],
    status: aStatus({ phase: RotationPhase.ROTATION_PHASE_STANDBY }),
    steps: [],
  };
  return self;
}

export function aFollower(parts: Partial<Follower> = {}): Follower {
  return {
    kind: "agent",
    name: "edge",
    fabricId: crypto.randomUUID(),
    trustBundleSequence: 2n,
    certificateCurrent: true,
    lastSeenAt: new Date(),
    live: true,
    ...parts,
  };
}

export function aStatus(parts: Partial<GetAuthorityStatusResponse> = {}): GetAuthorityStatusResponse {
  const now = Date.now();
  const key = {
    serialNumber: "0a",
    spkiSha256: "AAAA",
    notBefore: new Date(now),
    notAfter: new Date(now + 9_000 * hour),
  };
  return {
    phase: RotationPhase.ROTATION_PHASE_STANDBY,
    phaseSince: undefined,
    nextPhaseAt: undefined,
    trustBundle: {
      sequence: 2n,
      refreshHintSeconds: 300,
      rootsDer: [Buffer.from("der")],
      trustDomain: "drawbridge.local",
    },
    keys: [
      { ...key, id: "i", kind: "issuing", state: CaKeyState.CA_KEY_STATE_ACTIVE, issuerId: "r", liveCertificates: 7 },
      { ...key, id: "r", kind: "root", state: CaKeyState.CA_KEY_STATE_ACTIVE, issuerId: "r", liveCertificates: 7 },
    ],
    followers: [],
    waitingFor: 0,
    alerts: [],
    issuingPrepareAt: new Date(now + hour),
    issuingActivateAt: new Date(now + 2 * hour),
    ...parts,
  };
}

let issued = 0;

export function aRecord(parts: Partial<CertificateRecord> = {}): CertificateRecord {
  issued += 1;
  const serial = issued.toString(16).padStart(40, "4");
  return {
    serialNumber: serial,
    spiffeId: "spiffe://drawbridge.local/cp/activation",
    fabricId: "",
    state: CertificateState.CERTIFICATE_STATE_ACTIVE,
    notBefore: new Date(Date.now() - hour),
    notAfter: new Date(Date.now() + hour),
    spkiSha256: "ab".repeat(32),
    revokedAt: undefined,
    revocationReason: "",
    fingerprintSha256: serial.padStart(64, "f"),
    issuerId: "i",
    issuedAt: new Date(Date.now() - hour + issued),
    activatedAt: new Date(),
    ...parts,
  };
}

function conflict(code: string): DrawbridgeError {
  return new DrawbridgeError({ kind: "failed_precondition", code, message: `refused: ${code}` });
}
