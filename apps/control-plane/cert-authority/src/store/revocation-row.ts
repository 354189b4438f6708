import type { Revocation, RevokedName } from "../domain/revocation.ts";

export interface RevocationRow {
  readonly position: string;
  readonly serial_number: string | null;
  readonly fingerprint_sha256: string | null;
  readonly spiffe_id: string;
  readonly fabric_id: string | null;
  readonly revoked_at: Date;
  readonly not_after: Date;
  readonly reason: string;
}

export function revocationFromRow(row: RevocationRow): Revocation {
  return {
    ...revokedName(row.serial_number ?? "", row.fingerprint_sha256 ?? ""),
    position: BigInt(row.position),
    spiffeId: row.spiffe_id,
    fabricId: row.fabric_id ?? undefined,
    revokedAt: row.revoked_at,
    notAfter: row.not_after,
    reason: row.reason,
  };
}

function revokedName(serialNumber: string, fingerprintSha256: string): RevokedName {
  if (serialNumber !== "") {
    return { serialNumber, fingerprintSha256: fingerprintSha256 === "" ? undefined : fingerprintSha256 };
  }
  return { serialNumber: undefined, fingerprintSha256 };
}
