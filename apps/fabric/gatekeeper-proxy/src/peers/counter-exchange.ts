import type { Duplex } from "node:stream";
import { setImmediate } from "node:timers/promises";
import type { Clock, Component } from "@drawbridge/lifecycle";
import { wordsPerShare, type CounterLedger } from "@drawbridge/policies";
import type { Logger } from "@drawbridge/telemetry";
import { encodeCounts, encodeFrame, FrameReader, type PeerFrame } from "./peer-frame.ts";
import { HighestLately } from "./highest-lately.ts";
import type { PeerNetwork } from "./peer-network.ts";

/** Counts that changed are told so often. */
const exchangeEveryMs = 50;
/** So many counters are looked at each time (some two milliseconds): a table that is larger takes several times. */
const lookedAtOnce = 262_144;
const discoverEveryMs = 250;
const longestPauseMs = 5_000;
const dialTimeoutMs = 1_000;
/** So long a start waits for what the others know: requests are counted from there. */
const openingMs = 1_000;
const helloWithinMs = 5_000;
/** What a peer that does not read may make us hold; it is told everything anew when it reads again. */
const mostUnread = 1024 * 1024;

export interface PeerView {
  readonly gatewayId: string;
  /** It speaks to us: its requests count here. */
  readonly isHeard: boolean;
  /** Highest age of a count of its when it counted here, in the last two minutes; 0: none came. */
  readonly lagMs: number;
}

export interface CounterExchange extends Component {
  readonly peers: () => readonly PeerView[];
}

interface CounterExchangeOptions {
  readonly gatewayId: string;
  readonly network: PeerNetwork;
  readonly ledger: CounterLedger;
  /** Of the counters' seed: see `PeerHello`. */
  readonly seedCheck: string;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** A stream to another gateway. */
interface Told {
  readonly stream: Duplex;
  /** It gets changes. One that does not read is left out until it has read what it has. */
  isFollowing: boolean;
}

interface Heard {
  stream: Duplex | undefined;
  readonly lag: HighestLately;
}

/*
 * Tells all other gateways of the fabric what was counted here and counts what they say, without agent and control plane.
 *
 * Invariants:
 *   - A peer follows from before it is told everything, so that no change falls between.
 *   - What comes from a peer can end its stream, and nothing else.
 *   - What a peer that is gone said stays in the counters until their windows end.
 */
export function createCounterExchange(options: CounterExchangeOptions): CounterExchange {
  const { gatewayId: own, network, ledger, clock } = options;
  const logger = options.logger.child({ component: "limit-exchange" });
  const stopping = new AbortController();
  const told = new Map<string, Told>();
  const heard = new Map<string, Heard>();
  const dialling = new Map<string, Promise<void>>();
  const pauses = new Map<string, { readonly untilMs: number; readonly pauseMs: number }>();
  const incoming = new Set<Duplex>();
  /** Peers that have told everything, while we start. */
  const complete = new Set<string>();
  let whenComplete = Promise.withResolvers<void>();
  let running = Promise.resolve();
  /** When the looks began whose changes are told next, oldest first. */
  let looks: readonly number[] = [];
  let discoveredMs = Number.NEGATIVE_INFINITY;
  let isReachable = false;

  const wallMs = (): number => clock.now().getTime();
  const looksPerRound = Math.ceil(ledger.entries / lookedAtOnce);

  // what others say

  function onDialled(stream: Duplex): void {
    const frames = new FrameReader(ledger.buckets);
    let peer: string | undefined;
    incoming.add(stream);
    const greeting = AbortSignal.timeout(helloWithinMs);
    greeting.addEventListener("abort", () => peer ?? stream.destroy(), { once: true });
    stream.on("data", (piece: Buffer) => {
      try {
        for (const frame of frames.read(piece)) peer = take(frame, peer, stream);
      } catch (error) {
        logger.error({ err: error, peer }, "another gateway is not understood: its stream is ended");
        stream.destroy();
      }
    });
    stream.on("error", () => stream.destroy());
    stream.on("end", () => stream.destroy());
    stream.once("close", () => {
      incoming.delete(stream);
      const known = peer === undefined ? undefined : heard.get(peer);
      if (known?.stream !== stream) return;
      known.stream = undefined;
      logger.info({ peer }, "another gateway is gone: what it counted stays until its windows end");
    });
  }

  /** @returns who speaks */
  function take(frame: PeerFrame, peer: string | undefined, stream: Duplex): string {
    if (frame.kind === "hello" && peer === undefined) {
      const { gatewayId, buckets, seedCheck } = frame.hello;
      if (gatewayId === own) throw new Error("two gateways have one id");
      if (buckets !== ledger.buckets || seedCheck !== options.seedCheck)
        throw new Error("its counters have another size or seed");
      const known = heard.get(gatewayId);
      known?.stream?.destroy(); // it came back before its end was seen
      heard.set(gatewayId, { stream, lag: known?.lag ?? new HighestLately() });
      logger.info({ peer: gatewayId }, "limits are shared with another gateway");
      pauses.delete(gatewayId);
      void reach(gatewayId);
      return gatewayId;
    }
    if (frame.kind === "hello" || peer === undefined) throw new Error("a hello comes first, and once");
    if (frame.kind === "complete") {
      complete.add(peer);
      whenComplete.resolve();
      return peer;
    }
    ledger.merge(frame.part);
    if (frame.sinceMs > 0) heard.get(peer)?.lag.add(Math.max(0, wallMs() - frame.sinceMs), clock.monotonicMs());
    return peer;
  }

  // what others are told

  /** Dial a gateway that we do not speak to. */
  function reach(gatewayId: string): Promise<void> {
    const paused = pauses.get(gatewayId);
    if (told.has(gatewayId) || stopping.signal.aborted) return Promise.resolve();
    if (paused !== undefined && clock.monotonicMs() < paused.untilMs) return Promise.resolve();
    const known = dialling.get(gatewayId);
    if (known !== undefined) return known;
    const dialled = dial(gatewayId).finally(() => dialling.delete(gatewayId));
    dialling.set(gatewayId, dialled);
    return dialled;
  }

  async function dial(gatewayId: string): Promise<void> {
    const pauseMs = Math.min(longestPauseMs, (pauses.get(gatewayId)?.pauseMs ?? discoverEveryMs / 2) * 2);
    pauses.set(gatewayId, { pauseMs, untilMs: clock.monotonicMs() + pauseMs });
    let stream: Duplex;
    try {
      stream = await network.dial(gatewayId, AbortSignal.any([stopping.signal, AbortSignal.timeout(dialTimeoutMs)]));
    } catch {
      return; // it is not there (any more)
    }
    const peer: Told = { stream, isFollowing: true };
    told.set(gatewayId, peer);
    stream.on("error", () => stream.destroy());
    stream.once("close", () => told.delete(gatewayId));
    stream.resume(); // it says nothing; its end is seen
    stream.on("end", () => stream.destroy());
    const hello = { gatewayId: own, buckets: ledger.buckets, seedCheck: options.seedCheck };
    stream.write(encodeFrame({ kind: "hello", hello }));
    void tellEverything(peer);
  }

  async function tellEverything(peer: Told): Promise<void> {
    peer.isFollowing = true;
    for (const part of ledger.everything()) {
      for (const frame of encodeCounts(part, 0)) peer.stream.write(frame);
      while (peer.stream.writableNeedDrain && !peer.stream.destroyed && !stopping.signal.aborted)
        await clock.sleep(exchangeEveryMs, stopping.signal).catch(() => undefined); // stopped
      if (peer.stream.destroyed || stopping.signal.aborted) return;
      await setImmediate(); // a large table must not hold up gates
    }
    peer.stream.write(encodeFrame({ kind: "complete" }));
  }

  function tellChanges(most: number): void {
    const nowMs = wallMs();
    // What a counter counted since it was looked at last is told now; that was at the look before, or a round of looks ago.
    const sinceMs = looks.length < looksPerRound ? 0 : (looks[0] ?? 0);
    looks = [...looks, nowMs].slice(-looksPerRound);
    const shares = ledger.changes(most);
    if (shares.length < wordsPerShare) return;
    const frames = encodeCounts({ origin: own, shares }, sinceMs);
    for (const peer of told.values()) {
      if (!peer.isFollowing) continue;
      if (peer.stream.writableLength > mostUnread) peer.isFollowing = false;
      else for (const frame of frames) peer.stream.write(frame);
    }
  }

  async function discover(): Promise<void> {
    discoveredMs = clock.monotonicMs();
    const others = await network.others();
    await Promise.all(others.map(reach));
  }

  async function run(): Promise<void> {
    while (!stopping.signal.aborted) {
      await clock.sleep(exchangeEveryMs, stopping.signal).catch(() => undefined); // stopped
      if (stopping.signal.aborted) return;
      if (clock.monotonicMs() - discoveredMs >= discoverEveryMs) void discover();
      for (const peer of told.values())
        if (!peer.isFollowing && peer.stream.writableLength === 0) void tellEverything(peer);
      if (told.size > 0) tellChanges(lookedAtOnce);
      else looks = [];
    }
  }

  /** Those that answer have told us what they know. */
  async function open(signal: AbortSignal): Promise<void> {
    await discover();
    const over = AbortSignal.any([signal, AbortSignal.timeout(openingMs)]);
    over.addEventListener("abort", () => whenComplete.resolve(), { once: true });
    while (!over.aborted && [...told.keys()].some((peer) => !complete.has(peer))) {
      await whenComplete.promise;
      whenComplete = Promise.withResolvers();
    }
  }

  return {
    name: "limit-exchange",
    peers: () =>
      [...heard].map(([gatewayId, { stream, lag }]) => ({
        gatewayId,
        isHeard: stream !== undefined,
        lagMs: lag.read(clock.monotonicMs()),
      })),
    start: async (signal) => {
      try {
        await network.listen(onDialled);
        isReachable = true;
      } catch (error) {
        // Requests are worth more than limits that are exact.
        logger.error({ err: error }, "other gateways cannot reach this one: its limits count alone");
        return;
      }
      await open(signal);
      running = run();
    },
    stop: async () => {
      stopping.abort();
      await running;
      if (!isReachable) return;
      tellChanges(ledger.entries);
      for (const { stream } of told.values()) stream.end();
      for (const stream of incoming) stream.destroy();
      await network.close();
    },
  };
}
