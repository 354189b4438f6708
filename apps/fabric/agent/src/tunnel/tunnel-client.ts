import type { Heartbeat, Hello } from "@drawbridge/contracts/tunnel/v1/tunnel_service";
import { DrawbridgeError } from "@drawbridge/errors";
import { fullJitterDelayMs, type Clock, type Component, type Random } from "@drawbridge/lifecycle";
import { field, type Logger, type Metrics } from "@drawbridge/telemetry";
import {
  decideReconnect,
  initialReconnectState,
  isRefusal,
  type LossCause,
  type ReconnectState,
} from "./reconnect-policy.ts";
import { asDrawbridgeError, errorOfEnd, lossOf } from "./tunnel-errors.ts";
import type { SessionEnd, TunnelEvent } from "./tunnel-events.ts";
import type { SessionHandlers, TunnelSession } from "./tunnel-session.ts";
import { nameOfEnd, type TunnelState } from "./tunnel-state.ts";

export interface TunnelHandlers {
  /** A session is up: also after a hand-over, when it takes the place of an older one. */
  onWelcome(session: TunnelSession): void;
  onEvent(event: TunnelEvent, session: TunnelSession): void;
}

export interface TunnelClientOptions {
  /** host:port, in order of preference; tried in turn. */
  readonly addresses: readonly string[];
  /** One attempt: identity, channel, Hello. */
  readonly open: (
    address: string,
    hello: Hello,
    handlers: SessionHandlers,
    signal: AbortSignal,
  ) => Promise<TunnelSession>;
  /** After a failed attempt: what may help instead of the wait, for example a recovery. True when it is worth trying at once. */
  readonly heal: (error: DrawbridgeError, failures: number, signal: AbortSignal) => Promise<HealOutcome>;
  /** Makes Hello; counts the epoch and stores it before it resolves. */
  readonly hello: () => Promise<Hello>;
  readonly heartbeat: () => Heartbeat;
  /** Read identity and trust bundle from disk again. */
  readonly reloadCredentials: () => Promise<void>;
  /** Find out why an address cannot be reached, in exact words. */
  readonly diagnose: (address: string, signal: AbortSignal) => Promise<DrawbridgeError | undefined>;
  readonly handlers: TunnelHandlers;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly metrics: Metrics;
}

/** Whether something was done about a failure, and what to tell people if not. */
export type HealOutcome =
  | { readonly outcome: "healed" }
  /** Something else is tried, after the usual backoff. */
  | { readonly outcome: "retry" }
  | { readonly outcome: "nothing to do" }
  | { readonly outcome: "failed"; readonly error: DrawbridgeError };

export interface TunnelClient extends Component {
  /**
   * Open a second tunnel and go over to it (make before break, design R6): the old session is closed when nobody works with it any
   * more, after 30 s at the latest. On a failure it stays.
   * @throws DrawbridgeError why the second tunnel was not opened | `TUNNEL_CLOSED` (unavailable): there is no first one
   */
  changeOver(reason: string): Promise<void>;
  state(): TunnelState;
  /** The session in use; undefined while there is none. */
  session(): TunnelSession | undefined;
}

interface Drain {
  readonly withinMs: number;
  readonly reason: string;
}

interface ChangeOver {
  readonly reason: string;
  readonly done: PromiseWithResolvers<void>;
}

/** A session that was replaced may finish what it has begun within this time (design R6). */
const retireWithinMs = 30_000;

/** An unreachable address is looked into at the first failure and at every so many after it. */
const diagnoseEvery = 5;

/**
 * Keeps one tunnel up for ever (design R11 to R13). Invariants: one session is in use, and a second one exists
 * only during a hand-over, for at most 30 s after it; every attempt has an epoch higher than all before it; when `stop` resolves no session is left.
 */
export function createTunnelClient(options: TunnelClientOptions): TunnelClient {
  const { addresses, clock, random, handlers, metrics } = options;
  const logger = options.logger.child({ [field.component]: "tunnel" });
  const stopping = new AbortController();
  const drains = new WeakMap<TunnelSession, PromiseWithResolvers<Drain>>();
  const epochs = new WeakMap<TunnelSession, bigint>();
  const retiring = new Set<TunnelSession>();
  let changes: ChangeOver[] = [];
  let changeAsked = Promise.withResolvers<void>();
  let highestEpoch = 0n;
  const reconnects = metrics.counter("tunnel_reconnects", { description: "connection attempts by cause" });
  const sessions = metrics.counter("tunnel_sessions", { description: "sessions that were welcomed" });
  /** Why each address could not be reached in this outage. */
  const findings = new Map<string, DrawbridgeError>();
  let state: TunnelState = { status: "connecting", since: clock.now(), address: addresses[0] ?? "" };
  let active: TunnelSession | undefined;
  let addressIndex = 0;
  let outage: { readonly since: Date; code: string } | undefined;
  let running: Promise<void> = Promise.resolve();
  metrics.gauge("tunnel_connected", { description: "1 while the tunnel is up" }, () => (active ? 1 : 0));

  metrics.gauge("frame_queue_depth", { description: "frames that wait to be written to the tunnel" }, () =>
    active ? active.queued() : 0,
  );

  const sessionHandlers: SessionHandlers = {
    heartbeat: options.heartbeat,
    onEvent(event, session) {
      if (event.event === "drain") drainOf(session).resolve({ withinMs: event.withinMs, reason: event.reason });
      else handlers.onEvent(event, session);
    },
  };

  function drainOf(session: TunnelSession): PromiseWithResolvers<Drain> {
    const known = drains.get(session);
    if (known) return known;
    const made = Promise.withResolvers<Drain>();
    drains.set(session, made);
    return made;
  }

  async function connect(cause: string): Promise<TunnelSession> {
    const address = addresses[addressIndex % addresses.length] ?? "";
    if (!active) state = { status: "connecting", since: clock.now(), address };
    reconnects.add(1, { reason: cause });
    try {
      const hello = await options.hello();
      highestEpoch = hello.epoch;
      const session = await options.open(address, hello, sessionHandlers, stopping.signal);
      epochs.set(session, hello.epoch);
      if (!stopping.signal.aborted) return session;
      await session.leave("shutdown"); // it came a moment too late
      throw stopping.signal.reason;
    } catch (error) {
      addressIndex += 1;
      throw error;
    }
  }

  function activate(session: TunnelSession): void {
    const { sessionId, replica, epoch } = session.terms;
    active = session;
    state = { status: "connected", since: clock.now(), address: session.address, sessionId, replica, epoch };
    sessions.add(1);
    const about = { [field.address]: session.address, [field.replica]: replica, session_id: sessionId };
    if (outage) logger.info({ ...about, outage_since: outage.since.toISOString() }, "tunnel is back");
    else logger.info(about, "tunnel is up");
    outage = undefined;
    findings.clear();
    handlers.onWelcome(session);
  }

  /** Make before break: the old session serves until a new one has been welcomed (design R6, R15). */
  async function handOver(old: TunnelSession, drain: Drain): Promise<TunnelSession | undefined> {
    logger.info({ reason: drain.reason, replica: old.terms.replica }, "control plane asks to connect elsewhere");
    const oldEnded = new AbortController();
    const waiting = AbortSignal.any([stopping.signal, oldEnded.signal]);
    void old.ended.then(() => oldEnded.abort(new Error("the old session has ended")));
    addressIndex += 1;
    let delayMs = random.next() * drain.withinMs;
    for (let attempt = 0; ; attempt += 1) {
      await clock.sleep(delayMs, waiting).catch(() => undefined); // whoever aborted it is looked at next
      if (waiting.aborted) return undefined;
      try {
        return await connect("drain");
      } catch (error) {
        if (stopping.signal.aborted) return undefined;
        logger.warn({ err: error, [field.attempt]: attempt }, "hand-over attempt failed");
        delayMs = fullJitterDelayMs({ attempt, baseMs: 1_000, capMs: 60_000, floorMs: 250, random });
      }
    }
  }

  /** Let a replaced session finish, then close it. At most one does so at a time. */
  async function retire(old: TunnelSession): Promise<void> {
    for (const earlier of retiring) void earlier.leave("handover");
    retiring.add(old);
    const over = new AbortController();
    const signal = AbortSignal.any([over.signal, stopping.signal]);
    const late = clock.sleep(retireWithinMs, signal).catch(() => undefined); // ended sooner
    await Promise.race([old.idle(), late]);
    over.abort(new Error("idle"));
    await old.leave("handover");
    retiring.delete(old);
  }

  async function takeOver(old: TunnelSession, change: ChangeOver): Promise<TunnelSession> {
    try {
      const successor = await connect(change.reason);
      activate(successor);
      change.done.resolve();
      void retire(old);
      return successor;
    } catch (error) {
      change.done.reject(asDrawbridgeError(error));
      return old;
    }
  }

  function refuseChanges(): void {
    for (const { done } of changes)
      done.reject(
        new DrawbridgeError({
          kind: "unavailable",
          code: "TUNNEL_CLOSED",
          message: "there is no tunnel to go over from",
        }),
      );
    changes = [];
  }

  /** Stay with a session, and with those that follow it by hand-over. Answers how the last one ended. */
  async function hold(first: TunnelSession): Promise<{ readonly end: SessionEnd; readonly session: TunnelSession }> {
    let session = first;
    for (;;) {
      const ended = session.ended.then((end) => ({ what: "ended", end }) as const);
      const drained = drainOf(session).promise.then((drain) => ({ what: "drain", drain }) as const);
      const changed = changeAsked.promise.then(() => ({ what: "change" }) as const);
      const next = await Promise.race([ended, drained, changed]);
      if (next.what === "ended") return { end: next.end, session };
      if (next.what === "change") {
        const change = changes.shift();
        if (changes.length === 0) changeAsked = Promise.withResolvers<void>();
        if (change) session = await takeOver(session, change);
        continue;
      }
      const successor = await handOver(session, next.drain);
      if (successor === undefined) return { end: (await ended).end, session };
      const old = session;
      session = successor;
      activate(successor);
      void retire(old);
    }
  }

  async function wait(reconnect: ReconnectState, loss: LossCause, error: DrawbridgeError): Promise<ReconnectState> {
    const decision = decideReconnect(reconnect, loss, random);
    const retryAt = new Date(clock.now().getTime() + decision.delayMs);
    const since = outage?.since ?? clock.now();
    const about = { retryAt, code: error.code, message: error.message, since };
    state = isRefusal(loss)
      ? { status: "refused", ...about }
      : { status: "waiting", ...about, failures: decision.state.failures };
    if (outage?.code !== error.code) {
      const facts = { err: error, [field.delayMs]: Math.round(decision.delayMs) };
      if (isRefusal(loss)) logger.error(facts, "the control plane refuses this agent, apps go on");
      else logger.warn(facts, "no tunnel, apps go on");
    }
    outage = { since, code: error.code };
    await clock.sleep(decision.delayMs, stopping.signal).catch(() => undefined); // ends when stopped
    if (decision.isRebuildDue && !stopping.signal.aborted) {
      await options
        .reloadCredentials()
        .catch((cause: unknown) => logger.warn({ err: cause }, "identity cannot be reloaded"));
    }
    return decision.state;
  }

  /** gRPC only says that there is no connection; in between two looks the last finding stands. */
  async function explain(failure: DrawbridgeError, reconnect: ReconnectState): Promise<DrawbridgeError> {
    if (failure.code !== "PEER_UNAVAILABLE") return failure;
    const failed = addresses[(addressIndex + addresses.length - 1) % addresses.length] ?? "";
    if (!findings.has(failed) || reconnect.failures % diagnoseEvery === 0) {
      const finding = await options.diagnose(failed, stopping.signal).catch(() => undefined);
      findings.set(failed, finding ?? failure);
    }
    return findings.get(failed) ?? failure;
  }

  function lossOfSession(end: SessionEnd, session: TunnelSession): LossCause {
    const livedMs = clock.monotonicMs() - session.openedAtMs;
    const lost: LossCause = { cause: "lost", livedMs, reconnectWindowMs: session.terms.reconnectWindowMs };
    if (end.end !== "kicked") return lost;
    // Superseded by an attempt of our own, whose Welcome was lost, is a lost session; otherwise somebody else has come.
    if (end.reason === "EPOCH_SUPERSEDED") return epochs.get(session) === highestEpoch ? { cause: "superseded" } : lost;
    // Said of the certificate: the next attempt hears it again, and may be healed.
    if (end.reason.startsWith("CERTIFICATE_")) return lost;
    const loss = lossOf(errorOfEnd(end));
    return isRefusal(loss) ? loss : lost;
  }

  async function run(): Promise<void> {
    let reconnect = initialReconnectState;
    let cause = "start";
    while (!stopping.signal.aborted) {
      let session: TunnelSession;
      try {
        session = await connect(cause);
      } catch (thrown) {
        if (stopping.signal.aborted) return;
        const error = await explain(asDrawbridgeError(thrown), reconnect);
        const healing = await options.heal(error, reconnect.failures + 1, stopping.signal);
        if (stopping.signal.aborted) return;
        cause = healing.outcome === "healed" ? "recovered" : "failed";
        const told = healing.outcome === "failed" ? healing.error : error;
        const isWorthTrying = healing.outcome === "healed" || healing.outcome === "retry";
        const loss: LossCause = isWorthTrying ? { cause: "failed" } : lossOf(told);
        reconnect = await wait(healing.outcome === "healed" ? { ...reconnect, failures: 0 } : reconnect, loss, told);
        continue;
      }
      activate(session);
      const { end, session: last } = await hold(session);
      active = undefined;
      refuseChanges();
      if (stopping.signal.aborted) return;
      cause = nameOfEnd(end);
      reconnect = await wait(reconnect, lossOfSession(end, last), errorOfEnd(end));
    }
  }

  return {
    name: "tunnel",
    state: () => state,
    session: () => active,
    changeOver(reason) {
      const change: ChangeOver = { reason, done: Promise.withResolvers<void>() };
      changes.push(change);
      if (active === undefined) refuseChanges();
      else changeAsked.resolve();
      return change.done.promise;
    },
    start: () => {
      running = run();
      return Promise.resolve();
    },
    stop: async () => {
      const session = active;
      stopping.abort(new Error("the tunnel is stopping"));
      await Promise.all([session?.leave("shutdown"), ...[...retiring].map((old) => old.leave("shutdown"))]);
      refuseChanges();
      await running;
    },
  };
}
