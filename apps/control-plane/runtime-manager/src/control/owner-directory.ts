import type { Bus, KeyValue } from "@drawbridge/bus";
import type { Logger } from "@drawbridge/telemetry";
import type { SessionRepository } from "../store/sessions.ts";
import type { SessionRegistry } from "../tunnel/session-registry.ts";
import type { TunnelSession } from "../tunnel/tunnel-session.ts";
import { controlMessages, decodeMessage, encodeMessage } from "./control-messages.ts";

export interface OwnerDirectory {
  /** Replica that holds the agent's tunnel; empty for none. */
  find(agentId: string): Promise<string>;
  put(session: TunnelSession): void;
  remove(session: TunnelSession): void;
  /** Write all our tunnels again before they expire. */
  refresh(): Promise<void>;
}

const bucket = "tunnel-owner";
const ttlMs = 30_000;
/** Twice within the time to live, with room for a slow round. */
export const refreshIntervalMs = 12_000;
/** Writes under way at once in a refresh. */
const batchSize = 128;

/**
 * Who holds which tunnel, in NATS KV: in memory and with a time to live, because it is true only as long as somebody
 * repeats it. The database has the slower truth and answers where KV does not (design R15).
 */
export function createOwnerDirectory(deps: {
  readonly bus: Pick<Bus, "kv">;
  readonly sessions: Pick<SessionRepository, "replicaOf">;
  readonly registry: SessionRegistry;
  readonly replica: string;
  readonly logger: Logger;
}): OwnerDirectory {
  const { replica, logger } = deps;
  let opened: Promise<KeyValue> | undefined;

  /** Opened when first needed, again after a failure: NATS may come later than we do. */
  function directory(): Promise<KeyValue> {
    opened ??= deps.bus.kv(bucket, { ttlMs, storage: "memory" }).catch((error: unknown) => {
      opened = undefined;
      throw error;
    });
    return opened;
  }

  async function write(session: TunnelSession): Promise<void> {
    const kv = await directory();
    await kv.put(session.terms.agentId, encodeMessage({ replica, epoch: String(session.terms.epoch) }));
  }

  async function erase(session: TunnelSession): Promise<void> {
    const kv = await directory();
    const entry = await kv.get(session.terms.agentId);
    if (!entry) return;
    const owner = decodeMessage(controlMessages.owner, entry.value);
    // A later session, here or elsewhere, has written its own entry: that one stays.
    if (owner.replica !== replica || owner.epoch !== String(session.terms.epoch)) return;
    await kv.delete(session.terms.agentId, entry.revision);
  }

  const unimportant = (error: unknown): void => {
    opened = undefined; // a NATS server that lost its memory has no bucket any more
    logger.debug({ err: error }, "tunnel owner not written, left to the next refresh");
  };

  return {
    find: async (agentId) => {
      try {
        const entry = await (await directory()).get(agentId);
        if (entry) return decodeMessage(controlMessages.owner, entry.value).replica;
      } catch (error) {
        unimportant(error);
      }
      return deps.sessions.replicaOf(agentId);
    },
    put: (session) => void write(session).catch(unimportant),
    remove: (session) => void erase(session).catch(unimportant),
    refresh: async () => {
      const held = [...deps.registry.all()];
      for (let from = 0; from < held.length; from += batchSize) {
        const batch = held.slice(from, from + batchSize).filter((session) => !session.isOver);
        await Promise.all(batch.map((session) => write(session)));
      }
    },
  };
}
