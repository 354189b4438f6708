import { sql, type Store } from "@drawbridge/store";
import type { CollectorRecords } from "../domain/collector.ts";
import type { MonitoringIngestDatabase } from "./database.ts";

export function createCollectorRepository(store: Pick<Store<MonitoringIngestDatabase>, "db">): CollectorRecords {
  return {
    find: async (fabricId) => {
      const row = await store.db
        .selectFrom("collector")
        .selectAll()
        .where("fabric_id", "=", fabricId)
        .executeTakeFirst();
      return (
        row && {
          fabricId: row.fabric_id,
          certificateSerial: row.certificate_serial,
          certificateNotAfter: row.certificate_not_after,
          version: row.version,
          bootId: row.boot_id,
          lastSeenAt: row.last_seen_at,
          clockSkewMs: Number(row.clock_skew_ms),
          certificatesSeen: row.certificates_seen,
        }
      );
    },
    record: async (collector) => {
      // One statement: a certificate is counted exactly once, whichever replicas its first check-ins reach.
      await sql`
        WITH counted AS (
          UPDATE known_certificate SET counted_at = ${collector.lastSeenAt}
          WHERE serial_number = ${collector.certificateSerial} AND counted_at IS NULL
          RETURNING serial_number
        )
        INSERT INTO collector AS c (fabric_id, certificate_serial, certificate_not_after, version, boot_id,
          last_seen_at, clock_skew_ms, certificates_seen)
        VALUES (${collector.fabricId}, ${collector.certificateSerial}, ${collector.certificateNotAfter},
          ${collector.version}, ${collector.bootId}, ${collector.lastSeenAt}, ${collector.clockSkewMs}, 1)
        ON CONFLICT (fabric_id) DO UPDATE SET
          certificate_serial = excluded.certificate_serial,
          certificate_not_after = excluded.certificate_not_after,
          version = excluded.version,
          boot_id = excluded.boot_id,
          last_seen_at = excluded.last_seen_at,
          clock_skew_ms = excluded.clock_skew_ms,
          certificates_seen = c.certificates_seen + (SELECT count(*)::integer FROM counted)
      `.execute(store.db);
    },
  };
}
