import type { Generated, GeneratedAlways } from "kysely";
import type { CaKeyState, RotationPhase } from "../domain/ca-key.ts";

/** The tables of schema `cert_authority`. bigint is read as text, bytea as Buffer. */
export interface CertAuthorityDb {
  trust_bundle: {
    only_one: Generated<boolean>;
    trust_domain: string;
    sequence: string;
    version: Generated<string>;
  };
  ca_key: {
    id: string;
    kind: "root" | "issuing";
    state: CaKeyState;
    issuer_id: string;
    certificate_der: Buffer;
    sealed_private_key: Buffer | null;
    seal_key_id: string;
    not_before: Date;
    not_after: Date;
    created_at: Date;
    activated_at: Date | null;
    old_at: Date | null;
    retired_at: Date | null;
  };
  rotation: {
    only_one: Generated<boolean>;
    phase: RotationPhase;
    phase_since: Date;
    old_root_id: string;
    new_root_id: string;
    request_id: string;
    requested_by: string;
    reason: string;
  };
  trust_succession: {
    sequence: string;
    signer_spki_sha256: string;
    root_spki_sha256: string[];
    jws: string;
  };
  trust_acknowledgement: {
    service: string;
    replica: string;
    trust_bundle_sequence: string;
    certificate_serial: string;
    seen_at: Date;
  };
  certificate: {
    position: GeneratedAlways<string>;
    serial_number: string;
    request_id: string;
    issuer_id: string;
    spiffe_id: string;
    fabric_id: string | null;
    spki_sha256: string;
    certificate_der: Buffer;
    not_before: Date;
    not_after: Date;
    issued_at: Date;
    activated_at: Date | null;
    renew_at: Date | null;
    is_superseding: Generated<boolean>;
  };
  revocation_list: {
    only_one: Generated<boolean>;
    list_id: Generated<string>;
    is_incomplete: Generated<boolean>;
  };
  revocation: {
    position: GeneratedAlways<string>;
    key: GeneratedAlways<string>;
    serial_number: string | null;
    fingerprint_sha256: string | null;
    spiffe_id: string;
    fabric_id: string | null;
    issuer_id: string | null;
    not_after: Date;
    revoked_at: Date;
    reason: string;
    revoked_by: string;
    is_listed: Generated<boolean>;
    is_mirrored: Generated<boolean>;
  };
}
