import type { ColumnType } from "kysely";
import type { AccessTokenKind } from "../domain/access-token.ts";
import type { AuditResult } from "../domain/audit-record.ts";
import type { Role } from "../domain/role.ts";

/** jsonb: read as an object, written as text. */
type Json<T> = ColumnType<T, string, string>;
/** bigint comes back as text, so that nothing is rounded. */
type BigIntColumn = ColumnType<string | bigint, string, string>;

interface UserTable {
  user_id: string;
  username: string;
  password_hash: string;
  created_at: Date;
  created_by: string;
}

interface EnvironmentTable {
  name: string;
  description: string;
  created_at: Date;
  created_by: string;
}

interface RoleBindingTable {
  user_id: string;
  environment: string;
  role: Role;
}

interface AccessTokenTable {
  token_id: string;
  kind: AccessTokenKind;
  user_id: string;
  request_id: string;
  description: string;
  secret_sha256: Uint8Array;
  created_at: Date;
  expires_at: Date;
  revoked_at: Date | null;
  last_used_at: Date | null;
}

interface AuditRecordTable {
  seq: BigIntColumn;
  prev_hash: string;
  hash: string;
  occurred_at: Date;
  request_id: string;
  actor: string;
  address: string;
  action: string;
  target: string;
  result: AuditResult;
  status_code: number;
  error_code: string;
  details: Json<Record<string, string>>;
}

interface AuditHeadTable {
  only_row: boolean;
  seq: BigIntColumn;
  hash: string;
}

interface AuditIntentTable {
  intent_id: string;
  begun_at: Date;
  request_id: string;
  actor: string;
  address: string;
  action: string;
  target: string;
  details: Json<Record<string, string>>;
}

/** The tables of schema `management_api`. */
export interface Database {
  app_user: UserTable;
  environment: EnvironmentTable;
  role_binding: RoleBindingTable;
  access_token: AccessTokenTable;
  audit_record: AuditRecordTable;
  audit_head: AuditHeadTable;
  audit_intent: AuditIntentTable;
}
