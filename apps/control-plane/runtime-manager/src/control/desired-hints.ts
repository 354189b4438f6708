import type { Bus } from "@drawbridge/bus";
import { field, type Logger } from "@drawbridge/telemetry";
import type { FabricId } from "../domain/ids.ts";
import type { SnapshotCache } from "../snapshot/snapshot-cache.ts";
import type { SnapshotRepository } from "../store/snapshots.ts";
import type { SessionRegistry } from "../tunnel/session-registry.ts";
import type { TunnelSession } from "../tunnel/tunnel-session.ts";
import { encodeMessage, subjects } from "./control-messages.ts";

export interface DesiredHints {
  /** After a commit here: tell our own tunnel and every other replica. */
  announce(fabricId: FabricId, generation: bigint): void;
  /** Somebody says that a fabric is at `generation`. */
  receive(fabricId: FabricId, generation: bigint): void;
  /** Compare what our tunnels know with the database: heals hints that were lost. */
  reconcile(): Promise<void>;
}

/** Brings the news of a changed wish to agents, as fast as possible by hints and certainly by reconciling. */
export function createDesiredHints(deps: {
  readonly bus: Pick<Bus, "broadcast">;
  readonly registry: SessionRegistry;
  readonly snapshots: Pick<SnapshotCache, "load">;
  readonly generations: Pick<SnapshotRepository, "generations">;
  readonly logger: Logger;
}): DesiredHints {
  const { registry, snapshots, logger } = deps;

  async function notify(session: TunnelSession, generation: bigint): Promise<void> {
    const snapshot = await snapshots.load(session.terms.fabricId, generation);
    if (!snapshot || snapshot.generation <= session.desired.generation) return;
    session.desired = { generation: snapshot.generation, digest: snapshot.digest };
    session.send({ $case: "notify", value: { ...session.desired } }, { key: "notify" });
  }

  function receive(fabricId: FabricId, generation: bigint): void {
    const session = registry.get(fabricId);
    if (!session || session.desired.generation >= generation) return;
    if (!session.isWelcomed) {
      // The welcome is being written and takes it into account.
      if (session.hintedGeneration < generation) session.hintedGeneration = generation;
      return;
    }
    notify(session, generation).catch((error: unknown) => {
      logger.debug({ err: error, [field.fabricId]: fabricId }, "hint not followed, left to reconciling");
    });
  }

  return {
    receive,
    announce: (fabricId, generation) => {
      receive(fabricId, generation);
      deps.bus
        .broadcast(subjects.desired(fabricId), encodeMessage({ generation: String(generation) }))
        .catch((error: unknown) => {
          logger.debug({ err: error, [field.fabricId]: fabricId }, "hint not sent, left to reconciling");
        });
    },
    reconcile: async () => {
      const held = [...registry.all()];
      if (held.length === 0) return;
      const generations = await deps.generations.generations(held.map((session) => session.terms.fabricId));
      for (const session of held) {
        const generation = generations.get(session.terms.fabricId);
        if (generation === undefined || !session.isWelcomed || generation <= session.desired.generation) continue;
        await notify(session, generation);
      }
    },
  };
}
