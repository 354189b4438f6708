import type { Generated, GeneratedAlways } from "kysely";

/** The tables of schema `cert_authority`. bigint is read as text, bytea as Buffer. */
export interface CertAuthorityDb {
  trust_bundle: {
    only_one: Generated<boolean>;
    trust_domain: string;
    sequence: string;
  };
  ca_key: {
    id: string;
    kind: "root" | "issuing";
    certificate_der: Buffer;
    sealed_private_key: Buffer;
    seal_key_id: string;
    not_before: Date;
    not_after: Date;
    created_at: Date;
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
    is_superseding: Generated<boolean>;
  };
  revocation_list: {
    only_one: Generated<boolean>;
    list_id: Generated<string>;
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
