import type { ColumnType } from "kysely";

export interface BundleTable {
  readonly digest: string;
  /** bigint: read as text. */
  readonly size_bytes: ColumnType<string, number, never>;
  readonly app_name: string;
  readonly version: string;
  readonly manifest_json: string;
  readonly stored_at: Date;
  readonly unreferenced_since: Date | null;
  readonly removing_since: Date | null;
}

export interface ServiceKeyTable {
  readonly name: string;
  readonly kek_id: string;
  readonly wrapped_key: Buffer;
  readonly created_at: Date;
}

export interface ConfigurationTable {
  readonly digest: string;
  readonly org: string;
  readonly ciphertext: Buffer;
  readonly wrapped_key: Buffer;
  readonly kek_id: string;
  readonly size_bytes: number;
  readonly created_at: Date;
  readonly unreferenced_since: Date | null;
}

export interface UnrecordedBlobTable {
  readonly digest: string;
  readonly first_seen_at: Date;
}

export interface ConfigResolverDatabase {
  readonly bundle: BundleTable;
  readonly service_key: ServiceKeyTable;
  readonly configuration: ConfigurationTable;
  readonly unrecorded_blob: UnrecordedBlobTable;
}
