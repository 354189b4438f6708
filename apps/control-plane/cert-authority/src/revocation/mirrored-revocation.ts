import { Revocation as RevocationProto } from "@drawbridge/contracts/certs/v1/revocation_service";
import type { Revocation } from "../domain/revocation.ts";
import { revocationToProto } from "../rpc/revocation-rpc.ts";

/** The key of a revocation in the bucket: `serial.<hex>`, or `fp.<hex>` where no serial number is known. */
export function mirrorKey(revocation: Revocation): string {
  return revocation.serialNumber === undefined
    ? `fp.${revocation.fingerprintSha256}`
    : `serial.${revocation.serialNumber}`;
}

/** Protobuf JSON of drawbridge.certs.v1.Revocation: every service reads it. */
export function mirrorValue(revocation: Revocation): Uint8Array {
  return Buffer.from(JSON.stringify(RevocationProto.toJSON(revocationToProto(revocation))));
}

/** Undefined if the value does not say what its key says, or cannot be read. */
export function revocationFromMirror(key: string, value: Uint8Array): Revocation | undefined {
  const proto = parse(value);
  if (!proto?.revokedAt || !proto.notAfter) return undefined;
  const { serialNumber, fingerprintSha256 } = proto;
  const common = {
    position: proto.position,
    spiffeId: proto.spiffeId,
    fabricId: proto.fabricId === "" ? undefined : proto.fabricId,
    revokedAt: proto.revokedAt,
    notAfter: proto.notAfter,
    reason: proto.reason === "" ? "unknown" : proto.reason.slice(0, 200),
  };
  const revocation: Revocation =
    serialNumber === ""
      ? { ...common, serialNumber: undefined, fingerprintSha256 }
      : { ...common, serialNumber, fingerprintSha256: fingerprintSha256 === "" ? undefined : fingerprintSha256 };
  return isWellFormed(key) && mirrorKey(revocation) === key && isFabric(common.fabricId) ? revocation : undefined;
}

export function isRevocationKey(key: string): boolean {
  return key.startsWith("serial.") || key.startsWith("fp.");
}

function isWellFormed(key: string): boolean {
  return /^(serial\.[0-9a-f]{2,40}|fp\.[0-9a-f]{64})$/.test(key);
}

function isFabric(fabricId: string | undefined): boolean {
  return fabricId === undefined || /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/.test(fabricId);
}

function parse(value: Uint8Array): RevocationProto | undefined {
  try {
    return RevocationProto.fromJSON(JSON.parse(Buffer.from(value).toString("utf8")));
  } catch {
    return undefined;
  }
}
