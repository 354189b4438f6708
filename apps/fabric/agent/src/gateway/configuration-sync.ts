import { DrawbridgeError } from "@drawbridge/errors";
import { fullJitterDelayMs, type Clock, type Random } from "@drawbridge/lifecycle";
import type { TrustBundle } from "@drawbridge/pki";
import { field, type Logger } from "@drawbridge/telemetry";
import type { AlertBoard } from "../alerts/alert-board.ts";
import { isSessionOver } from "../tunnel/tunnel-errors.ts";
import type { ApiConfigurationMark } from "../tunnel/tunnel-events.ts";
import type { TunnelSession } from "../tunnel/tunnel-session.ts";
import type { ApiConfigurationRoot, RootStore } from "./root-store.ts";
import { verifyRoot } from "./verify-root.ts";

/** Keeps the root of what gateways enforce current. */
export interface ConfigurationSync {
  /** The root of the last run, from disk. */
  load(): Promise<void>;
  root(): ApiConfigurationRoot | undefined;
  /** What the control plane announced in the session; undefined while it announced nothing. */
  announcedIn(session: TunnelSession): string | undefined;
  /** The control plane says what gateways should enforce. */
  announce(mark: ApiConfigurationMark, session: TunnelSession): void;
  stop(): Promise<void>;
}

type Session = Pick<TunnelSession, "getApiConfiguration">;

const pause = { baseMs: 200, capMs: 10_000, floorMs: 50 } as const;

/**
 * Invariant: a digest counts as announced in a session only if the control plane said it there; a strict gate opens on it.
 */
export function createConfigurationSync(options: {
  readonly fabricId: string;
  readonly store: RootStore;
  readonly trustBundle: () => TrustBundle;
  /** Root or announcement changed. */
  readonly onChange: () => void;
  readonly alerts: Pick<AlertBoard, "raise" | "clear">;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
}): ConfigurationSync {
  const { store, clock, random, alerts } = options;
  const logger = options.logger.child({ [field.component]: "api-configuration" });
  const stopping = new AbortController();
  let root: ApiConfigurationRoot | undefined;
  let wanted: { readonly digest: string; readonly session: Session } | undefined;
  const announced = new WeakMap<Session, string>();
  let pulling: Promise<void> | undefined;

  function want(digest: string, session: Session): void {
    const isNews = announced.get(session) !== digest;
    announced.set(session, digest);
    if (isNews || wanted?.session !== session) wanted = { digest, session };
    if (isNews) options.onChange();
    if (pulling || stopping.signal.aborted || digest === root?.digest) return;
    pulling = pull().finally(() => {
      pulling = undefined;
    });
  }

  async function pullOnce(asked: { readonly digest: string; readonly session: Session }): Promise<void> {
    const { mark, notModified, rootJws } = await asked.session.getApiConfiguration(root?.digest ?? "", stopping.signal);
    if (notModified || mark === undefined) return;
    const next = { digest: mark.digest, jws: rootJws };
    const { fabricId } = options;
    await verifyRoot(next, { fabricId, trustBundle: options.trustBundle(), at: clock.now() });
    root = next;
    // Newer than what was announced, and said in the same session: it is what is announced now.
    if (wanted === asked) announced.set(asked.session, next.digest);
    options.onChange();
    alerts.clear("ApiConfigurationRefused");
    logger.info({ revision: String(mark.revision), [field.digest]: mark.digest }, "api configuration taken over");
    await store.save(next).catch((error: unknown) => {
      logger.warn(
        { err: error },
        "api configuration cannot be stored: a gateway that starts without the tunnel has an older one",
      );
    });
  }

  async function pull(): Promise<void> {
    for (let attempt = 0; !stopping.signal.aborted;) {
      const asked = wanted;
      if (asked === undefined || asked.digest === root?.digest) return;
      try {
        await pullOnce(asked);
        // Served by a replica that knows less than the one that announced: the next heartbeat asks again.
        if (wanted === asked) return;
        attempt = 0;
      } catch (error) {
        if (stopping.signal.aborted) return;
        if (isSessionOver(error) && wanted === asked) return; // the next Welcome announces again
        report(error);
        await clock.sleep(fullJitterDelayMs({ attempt, ...pause, random }), stopping.signal).catch(() => undefined);
        attempt += 1;
      }
    }
  }

  function report(error: unknown): void {
    const isRefused = error instanceof DrawbridgeError && ["unauthenticated", "data_loss"].includes(error.kind);
    if (isRefused) {
      alerts.raise("ApiConfigurationRefused", `${error.message}; gateways go on with what they have`);
      logger.error({ err: error }, "api configuration refused");
    } else logger.debug({ err: error }, "api configuration cannot be fetched, will retry");
  }

  return {
    load: async () => {
      root = await store.load();
    },
    root: () => root,
    announcedIn: (session) => announced.get(session),
    announce: ({ digest }, session) => {
      if (digest !== "") want(digest, session);
    },
    stop: async () => {
      stopping.abort(new Error("the agent is stopping"));
      await pulling;
    },
  };
}
