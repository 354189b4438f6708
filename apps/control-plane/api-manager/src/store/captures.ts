import { Capture } from "@drawbridge/contracts/apis/v1/capture";
import { DrawbridgeError } from "@drawbridge/errors";
import { sql, type Store } from "@drawbridge/store";
import type { ApiKey } from "../domain/api-key.ts";
import type { Sealer } from "../crypto/sealer.ts";
import { limits } from "../domain/limits.ts";
import type { ApiManagerDatabase } from "./database.ts";
import { nextEdition, publishing, type Save } from "./save.ts";

export type CaptureState = "running" | "ended" | "stopped";

/** A capture of an API's requests and answers, running or over. */
export interface CaptureView {
  readonly captureId: string;
  readonly apiId: string;
  readonly key: ApiKey;
  /** What the API's document says of it while it runs. */
  readonly settings: Capture;
  readonly state: CaptureState;
  readonly startedAt: Date;
  readonly startedBy: string;
  readonly endsAt: Date;
  /** undefined while it runs. */
  readonly overAt: Date | undefined;
  /** Empty unless somebody stopped it. */
  readonly stoppedBy: string;
}

type Reader = Pick<Store<ApiManagerDatabase>, "db">["db"];

/** As long as what a capture took may be kept, and a day. */
const rememberedMs = 31 * 86_400_000;

/** @throws DrawbridgeError `CAPTURE_NOT_FOUND` (not_found) */
export async function getCapture(db: Reader, org: string, captureId: string): Promise<CaptureView> {
  const [capture] = await readCaptures(db, sql`org = ${org} AND capture_id = ${captureId}`);
  if (capture) return capture;
  throw captureNotFound();
}

/** `CAPTURE_NOT_FOUND` (not_found). */
export function captureNotFound(): DrawbridgeError {
  return new DrawbridgeError({
    kind: "not_found",
    code: "CAPTURE_NOT_FOUND",
    message: "there is no capture with this id; list them",
  });
}

/** Newest first: ids are made in the order of time. */
export async function listCaptures(
  db: Reader,
  asked: {
    readonly org: string;
    /** None: all. */
    readonly environments: readonly string[];
    readonly isRunning: boolean;
    readonly before: string | undefined;
    readonly limit: number;
  },
): Promise<readonly CaptureView[]> {
  const { org, environments, isRunning, before, limit } = asked;
  return readCaptures(
    db,
    sql`org = ${org}
      AND (cardinality(${environments}::text[]) = 0 OR environment = ANY(${environments}::text[]))
      ${isRunning ? sql`AND state = 'running'` : sql``}
      ${before === undefined ? sql`` : sql`AND capture_id < ${before}`}
      ORDER BY capture_id DESC LIMIT ${limit}`,
  );
}

async function readCaptures(db: Reader, where: ReturnType<typeof sql>): Promise<readonly CaptureView[]> {
  const { rows } = await sql<{
    capture_id: string;
    api_id: string;
    environment: string;
    name: string;
    version: string;
    settings: Buffer;
    state: CaptureState;
    started_at: Date;
    started_by: string;
    ends_at: Date;
    over_at: Date | null;
    stopped_by: string;
  }>`
    SELECT capture_id, api_id, environment, name, version, settings, state, started_at, started_by, ends_at, over_at, stopped_by
    FROM capture WHERE ${where}
  `.execute(db);
  return rows.map((row) => ({
    captureId: row.capture_id,
    apiId: row.api_id,
    key: { environment: row.environment, name: row.name, version: row.version },
    settings: Capture.decode(row.settings),
    state: row.state,
    startedAt: row.started_at,
    startedBy: row.started_by,
    endsAt: row.ends_at,
    overAt: row.over_at ?? undefined,
    stoppedBy: row.stopped_by,
  }));
}

/**
 * Start one: the organisation's lock is held, so that the count holds.
 * @throws DrawbridgeError `CAPTURES_TOO_MANY` (failed_precondition)
 */
export async function insertCapture(
  { tx, org, now, requestedBy, changed }: Save,
  { apiId, key, settings, endsAt }: Pick<CaptureView, "apiId" | "key" | "settings" | "endsAt">,
): Promise<void> {
  const running = await tx
    .selectFrom("capture")
    .select("capture_id")
    .where("api_id", "=", apiId)
    .where("state", "=", "running")
    .execute();
  if (running.length >= limits.capturesPerApi) throw tooMany(running.map((row) => row.capture_id));
  await tx
    .insertInto("capture")
    .values({
      capture_id: settings.captureId,
      org,
      api_id: apiId,
      ...key,
      settings: Buffer.from(Capture.encode(settings).finish()),
      state: "running",
      started_at: now,
      started_by: requestedBy,
      ends_at: endsAt,
      over_at: null,
      stopped_by: "",
    })
    .execute();
  changed.facts(apiId);
}

/** Stop one; one that is over stays as it is. */
export async function stopCapture({ tx, now, requestedBy, changed }: Save, capture: CaptureView): Promise<void> {
  const { numUpdatedRows } = await tx
    .updateTable("capture")
    .set({ state: "stopped", over_at: now, stopped_by: requestedBy })
    .where("capture_id", "=", capture.captureId)
    .where("state", "=", "running")
    .executeTakeFirst();
  if (numUpdatedRows > 0n) changed.facts(capture.apiId);
}

/** Those of an API that is deleted. */
export async function stopCapturesOf({ tx, now, requestedBy }: Save, apiId: string): Promise<void> {
  await tx
    .updateTable("capture")
    .set({ state: "stopped", over_at: now, stopped_by: requestedBy })
    .where("api_id", "=", apiId)
    .where("state", "=", "running")
    .execute();
}

/**
 * End what ran out: one change per organisation, in which the documents of its APIs say nothing of it any more. Gateways do not
 * wait for it: they know when a capture ends.
 */
export async function endCaptures(deps: {
  readonly store: Store<ApiManagerDatabase>;
  readonly sealer: Sealer;
  readonly now: Date;
}): Promise<void> {
  const { store, sealer, now } = deps;
  const due = await store.db
    .selectFrom("capture")
    .select("org")
    .distinct()
    .where("state", "=", "running")
    .where("ends_at", "<=", now)
    .execute();
  for (const { org } of due) {
    await store.transaction(async (tx) => {
      const edition = await nextEdition(tx, org);
      await publishing(sealer, { tx, org, edition, requestedBy: "time", now }, async ({ changed }) => {
        const ended = await tx
          .updateTable("capture")
          .set({ state: "ended", over_at: now })
          .where("org", "=", org)
          .where("state", "=", "running")
          .where("ends_at", "<=", now)
          .returning("api_id")
          .execute();
        for (const { api_id: apiId } of ended) changed.facts(apiId);
      });
    });
  }
}

/** What they took is gone by now. */
export async function forgetOldCaptures(db: Reader, now: Date): Promise<void> {
  await db
    .deleteFrom("capture")
    .where("over_at", "<", new Date(now.getTime() - rememberedMs))
    .execute();
}

function tooMany(running: readonly string[]): DrawbridgeError {
  return new DrawbridgeError({
    kind: "failed_precondition",
    code: "CAPTURES_TOO_MANY",
    message: `${running.length} captures of this API run already, which is as many as may: stop one of them first`,
    details: { captures: running.join(",") },
  });
}
