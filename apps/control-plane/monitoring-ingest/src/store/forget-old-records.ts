import type { Store } from "@drawbridge/store";
import type { MonitoringIngestDatabase } from "./database.ts";

const dayMs = 86_400_000;
/** TLS refuses an expired certificate whatever is on record; the day bears a clock that went back. */
const certificateGraceMs = dayMs;
/** A fabric whose collector was away for so long begins anew; a deleted one is forgotten. */
const collectorGraceMs = 90 * dayMs;

/** Remove what nobody needs any more. */
export async function forgetOldRecords(
  store: Pick<Store<MonitoringIngestDatabase>, "db">,
  now: Date,
): Promise<{ readonly certificates: number; readonly collectors: number }> {
  const certificates = await store.db
    .deleteFrom("known_certificate")
    .where("not_after", "<", new Date(now.getTime() - certificateGraceMs))
    .executeTakeFirst();
  const collectors = await store.db
    .deleteFrom("collector")
    .where("last_seen_at", "<", new Date(now.getTime() - collectorGraceMs))
    .executeTakeFirst();
  return { certificates: Number(certificates.numDeletedRows), collectors: Number(collectors.numDeletedRows) };
}
