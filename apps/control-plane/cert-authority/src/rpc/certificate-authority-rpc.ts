import { CertificateAuthorityServiceService } from "@drawbridge/contracts/certs/v1/certificate_authority_service";
import { DrawbridgeError } from "@drawbridge/errors";
import type { Clock } from "@drawbridge/lifecycle";
import type { PeerIdentity } from "@drawbridge/pki";
import { defineGrpcService, type GrpcServiceDefinition } from "@drawbridge/rpc";
import { currentTraceparent } from "@drawbridge/telemetry";
import type { Authority } from "../ca/authority.ts";
import type { CertificateRecord, RecordedCertificate } from "../domain/certificate.ts";
import { fabricCertificateName } from "../domain/certificate-name.ts";
import type { IssueCertificate } from "../domain/issue-certificate.ts";
import type { SuccessionLink } from "../domain/trust-succession.ts";
import { renewalInFlightMs } from "../domain/revocation.ts";
import type { CertificateRepository } from "../store/certificate-repository.ts";
import type { RevocationRepository } from "../store/revocation-repository.ts";
import {
  fabricNameFromProto,
  listQueryFromProto,
  requireSerialNumber,
  requireUuid,
  revocationFromProto,
} from "./requests.ts";
import { issuedToProto, recordToProto, trustBundleToProto } from "./responses.ts";

export interface CertificateAuthorityRpcDeps {
  readonly authority: Pick<Authority, "get">;
  /** Throws if no trust bundle may be handed out now. */
  readonly assertCurrent: () => void;
  readonly issueCertificate: IssueCertificate;
  /** Oldest first. */
  readonly readSuccession: () => Promise<readonly SuccessionLink[]>;
  readonly certificates: Pick<CertificateRepository, "find" | "activate" | "list">;
  readonly revocations: Pick<RevocationRepository, "revoke">;
  readonly clock: Pick<Clock, "now">;
}

/** Of a rotation there are two: whoever is further behind was away for years, and recovers. */
const maxLinks = 64;

const activation = { service: "activation" } as const;
const runtimeManager = { service: "runtime-manager" } as const;
const configResolver = { service: "config-resolver" } as const;
const managementApi = { service: "management-api" } as const;
const monitoringIngest = { service: "monitoring-ingest" } as const;

export function createCertificateAuthorityRpc(deps: CertificateAuthorityRpcDeps): GrpcServiceDefinition {
  const { authority, certificates, clock, issueCertificate, revocations } = deps;

  /** With the chain of the CA that signed it, which for a repeated request may be an older one. */
  function issued(certificate: RecordedCertificate) {
    const loaded = authority.get();
    return {
      certificate: issuedToProto(certificate, loaded.issuingCertificate(certificate.issuerId)),
      trustBundle: trustBundleToProto(loaded.trustBundle),
    };
  }

  const shown = (record: CertificateRecord) => recordToProto(record, authority.get().state);

  return defineGrpcService(CertificateAuthorityServiceService, {
    allow: {
      issueFabricCertificate: [activation, runtimeManager],
      issueServiceCertificate: ["any-service"],
      getTrustBundle: ["any-service"],
      getCertificate: [runtimeManager, configResolver, managementApi, monitoringIngest],
      activateCertificate: [runtimeManager, monitoringIngest],
      revokeCertificates: [activation, runtimeManager, managementApi],
      listCertificates: [activation, managementApi, runtimeManager],
    },
    handlers: {
      issueFabricCertificate: async (request, { peer }) => {
        const isRenewal = isService(callerOf(peer), "runtime-manager");
        const latestMs = clock.now().getTime() - (isRenewal ? renewalInFlightMs : 0);
        const decidedAt = new Date(Math.min(latestMs, request.decidedAt?.getTime() ?? latestMs));
        const { trustBundle } = authority.get();
        const name = fabricNameFromProto(request);
        const certificate = await issueCertificate({
          requestId: requireUuid("request_id", request.requestId),
          profile: name.profile,
          csrDer: request.csrDer,
          spiffeId: fabricCertificateName(trustBundle.trustDomain, name),
          fabricId: name.fabricId,
          decidedAt,
          callerSerialNumber: undefined,
          traceparent: currentTraceparent(),
        });
        return issued(certificate);
      },
      issueServiceCertificate: async (request, { peer }) => {
        const certificate = await issueCertificate({
          requestId: requireUuid("request_id", request.requestId),
          profile: "service",
          csrDer: request.csrDer,
          spiffeId: callerOf(peer).spiffeId, // a service renews its own name and no other
          fabricId: undefined,
          decidedAt: clock.now(),
          // The listener refuses what its list has, which may be two seconds behind; the record is not.
          callerSerialNumber: callerOf(peer).serialNumber,
          traceparent: currentTraceparent(),
        });
        return issued(certificate);
      },
      getTrustBundle: async () => {
        deps.assertCurrent();
        const { trustBundle } = authority.get();
        const links = (await deps.readSuccession()).filter(({ sequence }) => sequence <= trustBundle.sequence);
        return {
          trustBundle: trustBundleToProto(trustBundle),
          succession: links.slice(-maxLinks).map(({ sequence, jws }) => ({ sequence, jws })),
        };
      },
      getCertificate: async (request) => {
        const serialNumber = requireSerialNumber(request.serialNumber);
        return { certificate: shown(found(await certificates.find(serialNumber), serialNumber)) };
      },
      activateCertificate: async (request) => {
        const serialNumber = requireSerialNumber(request.serialNumber);
        const record = await certificates.activate(serialNumber, clock.now());
        return { certificate: shown(found(record, serialNumber)) };
      },
      revokeCertificates: async (request, { peer }) => {
        const { target, reason } = revocationFromProto(request);
        const caller = callerOf(peer);
        const revokedBy = caller.spiffeId;
        const isWholeName = isService(caller, "management-api") && target.kind !== "fabric"; // an operator means the agent
        const serialNumbers = await revocations.revoke({ target, reason, isWholeName, revokedBy, now: clock.now() });
        if (serialNumbers.length === 0 && target.kind === "serial_number") {
          found(await certificates.find(target.serialNumber), target.serialNumber);
        }
        return { serialNumbers: [...serialNumbers] };
      },
      listCertificates: async (request) => {
        const page = await certificates.list(listQueryFromProto(request, clock.now()));
        return { certificates: page.certificates.map(shown), nextPageToken: page.nextPageToken };
      },
    },
  });
}

function found(record: CertificateRecord | undefined, serialNumber: string): CertificateRecord {
  if (record) return record;
  throw new DrawbridgeError({
    kind: "not_found",
    code: "CERTIFICATE_NOT_FOUND",
    message: "this authority has not issued a certificate with this serial number",
    details: { serialNumber },
  });
}

function isService({ identity }: PeerIdentity, service: string): boolean {
  return identity.kind === "service" && identity.service === service;
}

function callerOf(peer: PeerIdentity | undefined): PeerIdentity {
  if (peer) return peer;
  throw new Error("the listener lets nobody in without a client certificate");
}
