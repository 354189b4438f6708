import type { Clock } from "@drawbridge/lifecycle";
import { field, type Logger } from "@drawbridge/telemetry";
import type { ApiConfigurationMark, ApiManager } from "../clients/api-manager.ts";
import type { FabricId } from "../domain/ids.ts";
import type { ApiBindingRepository } from "../store/api-bindings.ts";
import type { SessionRegistry } from "../tunnel/session-registry.ts";
import type { TunnelSession } from "../tunnel/tunnel-session.ts";

/** Which configuration the gateways of a fabric should enforce, told to the agents whose tunnels are here. */
export interface ConfigurationMarks {
  /** For the welcome of a session: what api-manager says, if it says it soon; otherwise a frame follows. */
  forWelcome(session: TunnelSession): Promise<void>;
  /** Somebody says that a configuration was published. */
  receive(fabricId: FabricId, mark: ApiConfigurationMark): void;
  /** Ask for fabrics whose apps are bound to APIs: heals news that was lost. */
  reconcile(): Promise<void>;
}

/** A welcome does not wait longer for a service that is slow or away. */
const welcomeWaitMs = 300;
const asksAtOnce = 16;

/**
 * Invariant: a session's mark was said by api-manager after the session was opened. A mark that was true for an earlier session
 * may be outdated, and a strict gate opens on it.
 */
export function createConfigurationMarks(deps: {
  readonly apiManager: Pick<ApiManager, "root">;
  readonly bindings: Pick<ApiBindingRepository, "boundAmong">;
  readonly registry: Pick<SessionRegistry, "get" | "all">;
  readonly clock: Pick<Clock, "sleep">;
  readonly logger: Logger;
}): ConfigurationMarks {
  const { registry, logger } = deps;

  function take(session: TunnelSession, mark: ApiConfigurationMark): void {
    if (session.isOver || session.apiConfiguration?.digest === mark.digest) return;
    session.apiConfiguration = mark;
    if (!session.isWelcomed) return; // the welcome says it
    session.send({ $case: "apiConfigurationChanged", value: { ...mark } }, { key: "api-configuration" });
  }

  async function ask(session: TunnelSession): Promise<void> {
    const before = session.apiConfiguration;
    const root = await deps.apiManager.root(session.terms.fabricId, before?.digest ?? "");
    // News that came while this was under way is not older than its answer.
    if (root && session.apiConfiguration === before) take(session, root.mark);
  }

  function askQuietly(session: TunnelSession): Promise<void> {
    return ask(session).catch((error: unknown) => {
      const facts = { err: error, [field.fabricId]: session.terms.fabricId };
      logger.debug(facts, "api configuration not asked for, left to reconciling");
    });
  }

  return {
    forWelcome: async (session) => {
      const enough = new AbortController();
      await Promise.race([
        askQuietly(session),
        deps.clock.sleep(welcomeWaitMs, enough.signal).catch(() => undefined), // the answer was first
      ]);
      enough.abort();
    },
    receive: (fabricId, mark) => {
      const session = registry.get(fabricId);
      if (!session || session.apiConfiguration?.digest === mark.digest) return;
      // A lower revision is late news, or of a record that was restored: its owner knows which.
      if (session.apiConfiguration === undefined || mark.revision > session.apiConfiguration.revision) {
        take(session, mark);
      } else void askQuietly(session);
    },
    reconcile: async () => {
      const held = new Map([...registry.all()].map((session) => [session.terms.fabricId, session]));
      const bound = held.size === 0 ? [] : await deps.bindings.boundAmong([...held.keys()]);
      const sessions = new Set(bound.flatMap((id) => held.get(id) ?? []));
      for (const session of held.values()) if (session.apiConfiguration) sessions.add(session);
      const waiting = [...sessions];
      for (let from = 0; from < waiting.length; from += asksAtOnce) {
        await Promise.all(waiting.slice(from, from + asksAtOnce).map(ask));
      }
    },
  };
}
