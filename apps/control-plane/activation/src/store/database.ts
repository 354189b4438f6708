import type { ColumnType, Generated } from "kysely";

/** The schema `activation`, as Kysely sees it. */
export interface ActivationDatabase {
  readonly activation_token: ActivationTokenTable;
  readonly activation_applicant: ActivationApplicantTable;
  readonly enrolment: EnrolmentTable;
  readonly deleted_fabric: DeletedFabricTable;
  readonly revocation_duty: RevocationDutyTable;
  readonly recovery_state: RecoveryStateTable;
  readonly recovery: RecoveryTable;
  readonly spent_challenge: SpentChallengeTable;
}

export interface ActivationTokenTable {
  readonly token_id: string;
  readonly request_id: string;
  readonly token_sha256: Buffer;
  readonly fabric_id: string;
  readonly fabric_name: string;
  readonly org: string;
  readonly state: "unused" | "redeemed" | "revoked";
  readonly created_by: string;
  readonly created_at: Date;
  readonly expires_at: Date;
  readonly redeemed_at: Date | null;
  readonly revoked_at: Date | null;
  readonly refused_uses: Generated<number>;
  readonly allowed_networks: string[];
  readonly key_sha256: string | null;
  readonly requires_approval: boolean;
  readonly approved_key_sha256: Later<string>;
  readonly approved_by: Later<string>;
  readonly approved_at: Later<Date>;
}

export interface ActivationApplicantTable {
  readonly token_id: string;
  readonly key_sha256: string;
  readonly remote_address: string;
  readonly agent_version: string;
  readonly first_asked_at: Date;
  readonly last_asked_at: Date;
}

/** Absent in an INSERT: set later. */
type Later<T> = ColumnType<T | null, undefined, T>;

/** Of the certificates that a redemption or a recovery gave; null together. */
export interface IssuedColumns {
  readonly issued_at: Later<Date>;
  readonly certificate_serial: Later<string>;
  readonly certificate_chain_der: Later<Buffer[]>;
  readonly certificate_not_after: Later<Date>;
  readonly collector_certificate_serial: Later<string>;
  readonly collector_certificate_chain_der: Later<Buffer[]>;
  readonly collector_certificate_not_after: Later<Date>;
}

export interface EnrolmentTable extends IssuedColumns {
  readonly agent_id: string;
  readonly token_id: string;
  readonly fabric_id: string;
  readonly agent_spki_sha256: string;
  readonly collector_spki_sha256: string;
  readonly recovery_key_spki_der: Buffer;
  readonly agent_version: string;
  readonly remote_address: string;
  readonly enrolled_at: Date;
  readonly join_nonce: Buffer | null;
  readonly closed_at: Later<Date>;
  readonly closed_reason: Later<"first_tunnel" | "fabric_deleted">;
}

export interface DeletedFabricTable {
  readonly fabric_id: string;
  readonly deleted_at: Date;
}

export interface RevocationDutyTable {
  readonly serial_number: string;
  readonly fabric_id: string;
  readonly created_at: Date;
}

/** Absent in an INSERT: the column's default. */
type Defaulted<T> = ColumnType<T, T | undefined, T>;

export interface RecoveryStateTable {
  readonly agent_id: string;
  readonly mode: Defaulted<"standard" | "relaxed" | "manual">;
  readonly join_sequence: number;
  readonly join_nonce: Buffer | null;
  readonly allowed_until: ColumnType<Date | null, undefined, Date | null>;
  readonly allowed_by: ColumnType<string | null, undefined, string | null>;
  readonly allowed_at: ColumnType<Date | null, undefined, Date | null>;
  readonly accepts_any_join_state: Defaulted<boolean>;
  readonly locked_at: ColumnType<Date | null, undefined, Date | null>;
  readonly last_refusal: Later<string>;
  readonly last_refusal_at: Later<Date>;
}

export interface RecoveryTable extends IssuedColumns {
  readonly challenge_id: string;
  readonly agent_id: string;
  readonly join_sequence: number;
  readonly join_nonce: Buffer;
  readonly presented_join_state_sha256: Buffer;
  readonly agent_spki_sha256: string;
  readonly collector_spki_sha256: string;
  readonly allowed_by: string | null;
  readonly agent_version: string;
  readonly remote_address: string;
  readonly begun_at: Date;
}

export interface SpentChallengeTable {
  readonly challenge_id: string;
  readonly spent_at: Date;
}
