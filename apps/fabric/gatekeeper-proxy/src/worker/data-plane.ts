import type { BlockList } from "node:net";
import type { Clock, IdSource } from "@drawbridge/lifecycle";
import type { PolicyServices } from "@drawbridge/policies";
import type { AnalyticsRecord, Apply, FromWorker, Listener, StartDraining } from "../workers/protocol.ts";
import { RecordBuffer } from "./analytics/record-buffer.ts";
import type { RequestContext } from "./exchange/request-context.ts";
import { trustedList } from "./front/client-connection.ts";
import { createFront } from "./front/create-front.ts";
import type { Front, FrontHost } from "./front/front.ts";
import type { AppRoute } from "./route/app-route.ts";
import { createReplicaRegistry, type ReplicaRegistry } from "./route/replica-registry.ts";
import type { Replica } from "./route/replica.ts";
import { createRouteBook, type RouteBook } from "./route/route-book.ts";
import { createSetLibrary, type SetLibrary } from "./route/set-library.ts";
import type { DataPlaneSettings } from "./settings.ts";
import { Http1Upstream } from "./upstream/http1-upstream.ts";
import { Http2Upstream } from "./upstream/http2-upstream.ts";
import type { AttemptTimeouts, CoarseTime } from "./upstream/upstream.ts";

export interface DataPlaneOptions {
  readonly settings: DataPlaneSettings;
  readonly clock: Clock;
  readonly ids: Pick<IdSource, "next">;
  readonly services: PolicyServices;
  readonly send: (message: FromWorker) => void;
  readonly onFault: (error: unknown) => void;
}

const tickMs = 100;
const recordsEveryMs = 1_000;
const inFlightEveryMs = 25;

/*
 * All that a thread of the gateway does, but for how messages reach it.
 *
 * Invariants: messages are handled one after the other, each as a whole; changes of one `apply` take force in one turn of
 * the event loop, after everything that it adds was compiled.
 */
export class DataPlane implements RequestContext, FrontHost, CoarseTime {
  readonly settings: DataPlaneSettings;
  readonly defaultTimeouts: AttemptTimeouts;
  readonly trusted: BlockList;
  readonly preciseMs: () => number;
  readonly wallMs: () => number;
  readonly newRequestId: () => string;
  readonly after: RequestContext["after"];
  readonly onFault: (error: unknown) => void;
  nowMs: number;
  isDraining = false;
  readonly #options: DataPlaneOptions;
  readonly #registry: ReplicaRegistry;
  readonly #routes: RouteBook;
  readonly #sets: SetLibrary;
  readonly #fronts = new Map<string, Front>();
  /** Removed, with connections left. */
  readonly #closing = new Set<Front>();
  readonly #records: RecordBuffer;
  readonly #perAddress = new Map<string, number>();
  #connections = 0;
  #tunnels = 0;
  #requests = 0;
  #turn = 0;
  #isLate = false;
  #isShedding = false;
  #recordsAtMs = 0;
  #isInFlightDue = false;
  #lastInFlight = "[]";
  #queue: Promise<void> = Promise.resolve();

  get context(): this {
    return this;
  }

  constructor(options: DataPlaneOptions) {
    const { settings, clock, ids, services } = options;
    this.#options = options;
    this.settings = settings;
    this.defaultTimeouts = {
      connectMs: settings.connectTimeoutMs,
      responseMs: settings.responseTimeoutMs,
      idleMs: settings.idleTimeoutMs,
    };
    this.trusted = trustedList(settings.trustedProxies);
    this.preciseMs = () => clock.monotonicMs();
    this.wallMs = () => clock.now().getTime();
    this.newRequestId = () => ids.next();
    this.after = services.clock.after;
    this.onFault = options.onFault;
    this.nowMs = clock.monotonicMs();
    this.#registry = createReplicaRegistry((endpoint) =>
      endpoint.protocol === "h2c" ? new Http2Upstream(endpoint, this) : new Http1Upstream(endpoint, this),
    );
    this.#sets = createSetLibrary(services);
    this.#routes = createRouteBook({ registry: this.#registry, verdictOf: (verdict) => this.#sets.verdictOf(verdict) });
    this.#records = new RecordBuffer(() => this.#sendRecords());
  }

  /** Until `signal` aborts. */
  async run(signal: AbortSignal): Promise<void> {
    const { clock } = this.#options;
    while (!signal.aborted) {
      const dueMs = clock.monotonicMs() + tickMs;
      await clock.sleep(tickMs, signal).catch(() => undefined); // aborted
      this.nowMs = clock.monotonicMs();
      // Twice in a row: one pause of the collector is no overload.
      const isLate = this.nowMs - dueMs > this.settings.shedDelayMs;
      this.#isShedding = isLate && this.#isLate;
      this.#isLate = isLate;
      this.#registry.tick(this.nowMs);
      if (this.isDraining || this.#closing.size > 0) this.#closeIdle();
      if (this.nowMs - this.#recordsAtMs >= recordsEveryMs) this.#sendRecords();
    }
  }

  /** In the order of the calls. Resolves when it is in force and was answered. */
  handle(message: Apply | StartDraining): Promise<void> {
    const handled = this.#queue.then(() => (message.type === "apply" ? this.#apply(message) : this.#drain(message)));
    this.#queue = handled.catch((error: unknown) => this.onFault(error));
    return handled;
  }

  async #apply({ sequence, changes }: Apply): Promise<void> {
    const { send } = this.#options;
    for (const change of changes) {
      if (change.change !== "set_added") continue;
      const { setId } = change.set;
      const problems = await this.#sets.add(change.set);
      if (problems.length > 0) send({ type: "unusable", setId, problems });
    }
    const listeners: Listener[] = [];
    for (const change of changes) {
      switch (change.change) {
        case "set_added":
          break;
        case "set_removed":
          this.#sets.remove(change.setId);
          break;
        case "listener_set":
          listeners.push(change.listener);
          break;
        case "listener_removed":
          this.#removeListener(change.listenerId);
          break;
        case "app_set":
        case "app_removed":
        case "replicas_set":
        case "verdicts_set":
          this.#routes.apply(change);
      }
    }
    // Listeners last: the first request finds everything.
    for (const listener of listeners) await this.#setListener(listener);
    this.#sendInFlight();
    send({ type: "applied", sequence });
  }

  async #setListener(listener: Listener): Promise<void> {
    const { listenerId } = listener;
    const known = this.#fronts.get(listenerId);
    if (known !== undefined && known.isAt(listener)) {
      known.update(listener);
      return this.#options.send({ type: "listening", listenerId, failure: undefined });
    }
    this.#removeListener(listenerId);
    const front = createFront(listener, this);
    const failure = await front.listen();
    if (failure === undefined) this.#fronts.set(listenerId, front);
    this.#options.send({ type: "listening", listenerId, failure });
  }

  #removeListener(listenerId: string): void {
    const front = this.#fronts.get(listenerId);
    if (front === undefined) return;
    this.#fronts.delete(listenerId);
    front.stopAccepting();
    this.#closing.add(front);
  }

  async #drain({ stopAccepting }: StartDraining): Promise<void> {
    this.isDraining = true;
    for (const front of this.#fronts.values()) front.startDraining();
    if (stopAccepting !== "now") return;
    for (const listenerId of this.#fronts.keys()) this.#removeListener(listenerId);
    this.#closeIdle();
    this.#watchDrained();
  }

  #watchDrained(): void {
    if (this.#closing.size > 0) return void this.after(tickMs, () => this.#watchDrained());
    this.#sendRecords();
    this.#options.send({ type: "drained" });
  }

  #closeIdle(): void {
    for (const front of this.#closing) {
      front.closeIdle();
      if (front.connections === 0) this.#closing.delete(front);
    }
  }

  findApp(target: Listener["target"], host: string, path: string): AppRoute | undefined {
    return this.#routes.findApp(target, host, path);
  }

  get isOverloaded(): boolean {
    return this.#isShedding || this.#requests >= this.settings.requests;
  }

  admit(address: string): boolean {
    const count = this.#perAddress.get(address) ?? 0;
    if (this.#connections >= this.settings.connections || count >= this.settings.connectionsPerAddress) return false;
    this.#connections += 1;
    this.#perAddress.set(address, count + 1);
    return true;
  }

  release(address: string): void {
    const count = this.#perAddress.get(address) ?? 1;
    this.#connections -= 1;
    if (count > 1) this.#perAddress.set(address, count - 1);
    else this.#perAddress.delete(address);
  }

  admitTunnel(): boolean {
    if (this.#tunnels >= this.settings.tunnels) return false;
    this.#tunnels += 1;
    return true;
  }

  releaseTunnel(): void {
    this.#tunnels -= 1;
  }

  nextTurn(): number {
    this.#turn = (this.#turn + 1) % 1_048_576;
    return this.#turn;
  }

  onRequestBegun(): void {
    this.#requests += 1;
  }

  onRequestOver(): void {
    this.#requests -= 1;
  }

  onReplicaReleased(replica: Replica): void {
    if (!this.#registry.onReleased(replica) || this.#isInFlightDue) return;
    this.#isInFlightDue = true;
    this.after(inFlightEveryMs, () => this.#sendInFlight());
  }

  record(record: AnalyticsRecord): void {
    this.#records.add(record);
  }

  #sendInFlight(): void {
    this.#isInFlightDue = false;
    const draining = this.#registry.draining();
    const text = JSON.stringify(draining);
    if (text === this.#lastInFlight) return;
    this.#lastInFlight = text;
    this.#options.send({ type: "in_flight", draining });
  }

  #sendRecords(): void {
    this.#recordsAtMs = this.nowMs;
    const records = this.#records.take();
    if (records.length > 0) this.#options.send({ type: "analytics", records, dropped: 0 });
  }
}
