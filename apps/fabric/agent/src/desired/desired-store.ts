import { createHash } from "node:crypto";
import { rm } from "node:fs/promises";
import { join } from "node:path";
import type { Clock } from "@drawbridge/lifecycle";
import type { Logger } from "@drawbridge/telemetry";
import { z } from "zod";
import { readdirIfPresent, readFileIfPresent, removeTemporaryFiles, writeFileAtomic } from "../state/atomic-file.ts";
import { createJsonFile } from "../state/json-file.ts";
import { moveAside } from "../state/move-aside.ts";
import type { SpaceReserve } from "../state/space-reserve.ts";
import type { DesiredSnapshot } from "./app-wish.ts";
import { snapshotFromPayload } from "./snapshot-from-proto.ts";

const entrySchema = z.object({
  file: z.string().regex(/^\d+\.json\.jws$/),
  digest: z.string().regex(/^sha256:[0-9a-f]{64}$/),
  receivedAt: z.string(),
});
const indexSchema = z.object({
  schemaVersion: z.literal(1),
  /** Newest first; two at most. */
  snapshots: z.array(entrySchema).max(2),
});

export interface StoredSnapshots {
  readonly current: DesiredSnapshot;
  readonly previous: DesiredSnapshot | undefined;
  /** When `current` came in. */
  readonly receivedAt: Date;
}

/** The last two wishes that were taken over, on disk (`desired/<generation>.json.jws`). */
export interface DesiredStore {
  /** What the agent worked from last; undefined where there is none. Unusable files are moved aside. */
  load(): Promise<StoredSnapshots | undefined>;
  /** Durable before it resolves: a wish is acted on only after this. */
  save(snapshot: DesiredSnapshot, jws: string): Promise<void>;
}

export function createDesiredStore(options: {
  readonly directory: string;
  readonly fabricId: string;
  readonly reserve: SpaceReserve;
  readonly clock: Pick<Clock, "now">;
  readonly logger: Pick<Logger, "error">;
}): DesiredStore {
  const { directory, fabricId, clock, logger } = options;
  const index = createJsonFile({ path: join(directory, "index.json"), schema: indexSchema, clock, logger });

  /** Signature and chain were verified before it was written; here the digest says whether it is still the same. */
  async function read(entry: z.output<typeof entrySchema>): Promise<DesiredSnapshot | undefined> {
    const path = join(directory, entry.file);
    const jws = await readFileIfPresent(path);
    if (jws === undefined) return undefined;
    try {
      const payload = Buffer.from(jws.split(".")[1] ?? "", "base64url");
      const digest = `sha256:${createHash("sha256").update(payload).digest("hex")}`;
      if (digest !== entry.digest) throw new Error("its digest is not the recorded one");
      const snapshot = snapshotFromPayload(payload.toString("utf8"), digest);
      if (snapshot.fabricId !== fabricId) throw new Error("it belongs to another fabric");
      return snapshot;
    } catch (error) {
      await moveAside(path, {
        now: clock.now(),
        reason: error instanceof Error ? error.message : "unreadable",
        logger,
      });
      return undefined;
    }
  }

  async function write(snapshot: DesiredSnapshot, jws: string): Promise<void> {
    const file = `${snapshot.generation}.json.jws`;
    await writeFileAtomic(join(directory, file), jws);
    const stored = await index.read();
    const older = (stored?.snapshots ?? []).find((entry) => entry.file !== file);
    const newest = { file, digest: snapshot.digest, receivedAt: clock.now().toISOString() };
    const snapshots = older ? [newest, older] : [newest];
    await index.write({ schemaVersion: 1, snapshots });
    await removeTemporaryFiles(directory);
    const kept = new Set(snapshots.map((entry) => entry.file));
    for (const name of await readdirIfPresent(directory)) {
      if (name.endsWith(".json.jws") && !kept.has(name)) await rm(join(directory, name), { force: true });
    }
  }

  return {
    async load() {
      const stored = await index.read();
      const usable: { readonly snapshot: DesiredSnapshot; readonly receivedAt: Date }[] = [];
      for (const entry of stored?.snapshots ?? []) {
        const snapshot = await read(entry);
        if (snapshot) usable.push({ snapshot, receivedAt: new Date(entry.receivedAt) });
      }
      const [newest, older] = usable;
      return newest && { current: newest.snapshot, previous: older?.snapshot, receivedAt: newest.receivedAt };
    },
    save: (snapshot, jws) => options.reserve.use(() => write(snapshot, jws)),
  };
}
