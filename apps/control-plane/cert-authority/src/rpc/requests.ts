import {
  FabricProfile,
  type IssueFabricCertificateRequest,
  type ListCertificatesRequest,
  type RevokeCertificatesRequest,
} from "@drawbridge/contracts/certs/v1/certificate_authority_service";
import { DrawbridgeError } from "@drawbridge/errors";
import { fieldDetail } from "@drawbridge/rpc";
import type { FabricNameRequest } from "../domain/certificate-name.ts";
import { supersededReason, type RevocationTarget } from "../domain/revocation.ts";
import type { CertificateQuery } from "../store/certificate-repository.ts";

const uuidPattern = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;
const serialPattern = /^[0-9a-f]{2,40}$/;
const fingerprintPattern = /^[0-9a-f]{64}$/;
const longestSpiffeId = 2_048;
const replicaPattern = /^[A-Za-z0-9._-]{1,128}$/;
const pinPattern = /^[A-Za-z0-9_-]{43}$/;
const longestReason = 200;
const pageSize = { default: 100, maximum: 500 };

/** @throws DrawbridgeError `REQUEST_INVALID` (invalid_argument) */
export function requireUuid(field: string, value: string): string {
  if (uuidPattern.test(value)) return value;
  throw invalid(field, "must be a UUID in lower case");
}

/** @throws DrawbridgeError `REQUEST_INVALID` (invalid_argument) */
export function requireSerialNumber(value: string): string {
  if (serialPattern.test(value)) return value;
  throw invalid("serial_number", "must be lower-case hex of at most 20 octets");
}

/** @throws DrawbridgeError `REQUEST_INVALID` (invalid_argument) */
export function fabricNameFromProto(request: IssueFabricCertificateRequest): FabricNameRequest {
  const { org, subjectId } = request;
  return {
    profile: profileFromProto(request.profile),
    org,
    fabricId: requireUuid("fabric_id", request.fabricId),
    subjectId,
  };
}

/** @throws DrawbridgeError `REQUEST_INVALID` (invalid_argument) */
export function revocationFromProto(request: RevokeCertificatesRequest): {
  readonly target: RevocationTarget;
  readonly reason: string;
} {
  const { reason, target } = request;
  if (reason.length === 0 || reason.length > longestReason)
    throw invalid("reason", `must have 1 to ${longestReason} characters`);
  if (reason === supersededReason)
    throw invalid("reason", "is reserved: cert-authority itself supersedes certificates");
  switch (target?.$case) {
    case "fabricId":
      return { reason, target: { kind: "fabric", fabricId: requireUuid("fabric_id", target.value) } };
    case "serialNumber":
      return { reason, target: { kind: "serial_number", serialNumber: requireSerialNumber(target.value) } };
    case "fingerprintSha256":
      return { reason, target: { kind: "fingerprint", fingerprintSha256: requireFingerprint(target.value) } };
    case undefined:
      throw invalid("target", "must be a serial number, a fingerprint or a fabric");
  }
}

function requireFingerprint(value: string): string {
  if (fingerprintPattern.test(value)) return value;
  throw invalid("fingerprint_sha256", "must be SHA-256 in lower-case hex");
}

/** @throws DrawbridgeError `REQUEST_INVALID` (invalid_argument) */
export function listQueryFromProto(request: ListCertificatesRequest, now: Date): CertificateQuery {
  if (request.pageSize < 0 || request.pageSize > pageSize.maximum) {
    throw invalid("page_size", `must be 1 to ${pageSize.maximum}, or 0 for ${pageSize.default}`);
  }
  if (request.spiffeId.length > longestSpiffeId) {
    throw invalid("spiffe_id", `must have at most ${longestSpiffeId} characters`);
  }
  return {
    spiffeId: request.spiffeId === "" ? undefined : request.spiffeId,
    expiringAfter: request.unexpiredOnly ? now : undefined,
    fabricId: request.fabricId === "" ? undefined : requireUuid("fabric_id", request.fabricId),
    pageSize: request.pageSize === 0 ? pageSize.default : request.pageSize,
    pageToken: request.pageToken,
  };
}

/** @throws DrawbridgeError `REQUEST_INVALID` (invalid_argument) */
export function requireText(field: string, value: string, longest: number): string {
  if (value.length <= longest) return value;
  throw invalid(field, `must have at most ${longest} characters`);
}

/** @throws DrawbridgeError `REQUEST_INVALID` (invalid_argument) */
export function requireReplica(value: string): string {
  if (replicaPattern.test(value)) return value;
  throw invalid("replica", "must be 1 to 128 letters, digits, dots, hyphens and underscores");
}

/** @throws DrawbridgeError `REQUEST_INVALID` (invalid_argument) */
export function requireSpkiPins(field: string, pins: readonly string[]): readonly string[] {
  if (pins.length > 0 && pins.length <= 8 && pins.every((pin) => pinPattern.test(pin))) return pins;
  throw invalid(field, "must be 1 to 8 SHA-256, base64url");
}

function profileFromProto(profile: FabricProfile): FabricNameRequest["profile"] {
  switch (profile) {
    case FabricProfile.FABRIC_PROFILE_AGENT:
      return "agent";
    case FabricProfile.FABRIC_PROFILE_COLLECTOR:
      return "collector";
    case FabricProfile.FABRIC_PROFILE_GATEWAY:
      return "gateway";
    case FabricProfile.FABRIC_PROFILE_UNSPECIFIED:
    case FabricProfile.UNRECOGNIZED:
      throw invalid("profile", "must say what the certificate is for");
  }
}

/** A field of a request that cannot be. */
export function invalid(field: string, message: string): DrawbridgeError {
  return new DrawbridgeError({
    kind: "invalid_argument",
    code: "REQUEST_INVALID",
    message: `${field} ${message}`,
    details: { [fieldDetail(field)]: message },
  });
}
