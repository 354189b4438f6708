import type { ColumnType } from "kysely";

export interface KnownCertificateTable {
  readonly serial_number: string;
  readonly fabric_id: string;
  readonly not_after: Date;
  readonly first_seen_at: Date;
  readonly revoked_at: Date | null;
  readonly counted_at: Date | null;
}

export interface CollectorTable {
  readonly fabric_id: string;
  readonly certificate_serial: string;
  readonly certificate_not_after: Date;
  readonly version: string;
  readonly boot_id: string;
  readonly last_seen_at: Date;
  /** bigint: read as text. */
  readonly clock_skew_ms: ColumnType<string, number, number>;
  readonly certificates_seen: number;
}

export interface MonitoringIngestDatabase {
  readonly known_certificate: KnownCertificateTable;
  readonly collector: CollectorTable;
}
