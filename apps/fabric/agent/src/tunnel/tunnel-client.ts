import type { Heartbeat, Hello } from "@drawbridge/contracts/tunnel/v1/tunnel_service";
import { DrawbridgeError, toError } from "@drawbridge/errors";
import { fullJitterDelayMs, type Clock, type Component, type Random } from "@drawbridge/lifecycle";
import { field, type Logger, type Metrics } from "@drawbridge/telemetry";
import { decideReconnect, initialReconnectState, type LossCause, type ReconnectState } from "./reconnect-policy.ts";
import { explainRefusal } from "./refusal.ts";
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

export interface TunnelClient extends Component {
  state(): TunnelState;
  /** The session in use; undefined while there is none. */
  session(): TunnelSession | undefined;
}

interface Drain {
  readonly withinMs: number;
  readonly reason: string;
}

/** An unreachable address is looked into at the first failure and at every so many after it. */
const diagnoseEvery = 5;

/**
 * Keeps one tunnel up for ever (design R11 to R13). Invariants: at most two sessions exist, and two only during a
 * hand-over; every attempt has an epoch higher than all before it; when `stop` resolves no session is left.
 */
export function createTunnelClient(options: TunnelClientOptions): TunnelClient {
  const { addresses, clock, random, handlers, metrics } = options;
  const logger = options.logger.child({ [field.component]: "tunnel" });
  const stopping = new AbortController();
  const drains = new WeakMap<TunnelSession, PromiseWithResolvers<Drain>>();
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
      return await options.open(address, await options.hello(), sessionHandlers, stopping.signal);
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

  /** Stay with a session, and with those that follow it by hand-over. Answers how the last one ended. */
  async function hold(first: TunnelSession): Promise<{ readonly end: SessionEnd; readonly session: TunnelSession }> {
    let session = first;
    for (;;) {
      const ended = session.ended.then((end) => ({ what: "ended", end }) as const);
      const drained = drainOf(session).promise.then((drain) => ({ what: "drain", drain }) as const);
      const next = await Promise.race([ended, drained]);
      if (next.what === "ended") return { end: next.end, session };
      const successor = await handOver(session, next.drain);
      if (successor === undefined) return { end: (await ended).end, session };
      const old = session;
      session = successor;
      activate(successor);
      void old.leave("handover");
    }
  }

  async function wait(reconnect: ReconnectState, loss: LossCause, error: DrawbridgeError): Promise<ReconnectState> {
    const decision = decideReconnect(reconnect, loss, random);
    const retryAt = new Date(clock.now().getTime() + decision.delayMs);
    const since = outage?.since ?? clock.now();
    const about = { retryAt, code: error.code, message: error.message, since };
    state =
      loss.cause === "refused"
        ? { status: "refused", ...about }
        : { status: "waiting", ...about, failures: decision.state.failures };
    if (outage?.code !== error.code) {
      const facts = { err: error, [field.delayMs]: Math.round(decision.delayMs) };
      if (loss.cause === "refused") logger.error(facts, "the control plane refuses this agent, apps go on");
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
        reconnect = await wait(reconnect, lossOf(error), error);
        cause = "failed";
        continue;
      }
      activate(session);
      const { end, session: last } = await hold(session);
      active = undefined;
      if (stopping.signal.aborted) return;
      cause = nameOfEnd(end);
      const livedMs = clock.monotonicMs() - last.openedAtMs;
      const error = errorOfEnd(end);
      const refusal = end.end === "kicked" ? explainRefusal(end.reason) : undefined;
      const loss: LossCause =
        refusal === undefined
          ? { cause: "lost", livedMs, reconnectWindowMs: last.terms.reconnectWindowMs }
          : { cause: "refused" };
      reconnect = await wait(reconnect, loss, error);
    }
  }

  return {
    name: "tunnel",
    state: () => state,
    session: () => active,
    start: () => {
      running = run();
      return Promise.resolve();
    },
    stop: async () => {
      const session = active;
      stopping.abort(new Error("the tunnel is stopping"));
      await session?.leave("shutdown");
      await running;
    },
  };
}

function lossOf(error: DrawbridgeError): LossCause {
  if (explainRefusal(error.code) !== undefined) return { cause: "refused" };
  return error.retryAfterMs === undefined ? { cause: "failed" } : { cause: "failed", retryAfterMs: error.retryAfterMs };
}

function errorOfEnd(end: SessionEnd): DrawbridgeError {
  switch (end.end) {
    case "broken":
      return end.error;
    case "kicked":
      return new DrawbridgeError({
        kind: "permission_denied",
        code: end.reason,
        message: explainRefusal(end.reason) ?? `the control plane ended the session (${end.reason})`,
      });
    case "dead":
      return new DrawbridgeError({
        kind: "unavailable",
        code: "TUNNEL_DEAD",
        message: `the control plane said nothing for ${Math.round(end.silentMs / 1_000)} s: the connection was cut`,
      });
    case "left":
      return new DrawbridgeError({ kind: "unavailable", code: "TUNNEL_CLOSED", message: "the tunnel was closed" });
  }
}

function asDrawbridgeError(thrown: unknown): DrawbridgeError {
  if (thrown instanceof DrawbridgeError) {
    const refusal = explainRefusal(thrown.code);
    if (refusal === undefined) return thrown;
    return new DrawbridgeError({ kind: thrown.kind, code: thrown.code, message: refusal, cause: thrown });
  }
  return new DrawbridgeError({
    kind: "internal",
    code: "TUNNEL_ATTEMPT_FAILED",
    message: "the connection attempt failed for an unexpected reason: see the log",
    cause: toError(thrown),
  });
}
