import type { BlockList } from "node:net";
import type { Disposition } from "@drawbridge/contracts/analytics/v1/request_batch";
import type { Clock, IdSource, Random } from "@drawbridge/lifecycle";
import type { PolicyServices } from "@drawbridge/policies";
import type { ReportableRequest } from "@drawbridge/request-batch";
import type { AnalyticsBoard } from "../analytics/analytics-board.ts";
import type { ThreadCount } from "../analytics/recorded-counts.ts";
import type { Apply, FromWorker, Listener, StartDraining } from "../workers/protocol.ts";
import type { Instant } from "../insight/capture-guard.ts";
import type { InsightBoard } from "../insight/insight-board.ts";
import { RequestRecorder } from "./analytics/request-recorder.ts";
import type { RequestContext } from "./exchange/request-context.ts";
import { InsightRecorder } from "./insight/insight-recorder.ts";
import { trustedList } from "./front/client-connection.ts";
import { createFront } from "./front/create-front.ts";
import type { Front, FrontHost } from "./front/front.ts";
import type { AppRoute } from "./route/app-route.ts";
import { createReplicaRegistry, type ReplicaRegistry } from "./route/replica-registry.ts";
import type { Replica } from "./route/replica.ts";
import { createRouteBook, type RouteBook } from "./route/route-book.ts";
import { createSetLibrary, type SetLibrary } from "./route/set-library.ts";
import type { DataPlaneSettings } from "./settings.ts";
import { MessageCounter, type Message } from "./traffic/message-counter.ts";
import { Http1Connection } from "./upstream/http1-connection.ts";
import { Http1Upstream } from "./upstream/http1-upstream.ts";
import { Http2Upstream } from "./upstream/http2-upstream.ts";
import { UndiciConnection } from "./upstream/undici-connection.ts";
import type { OpenConnection } from "./upstream/pooled-connection.ts";
import type { AttemptTimeouts, CoarseTime } from "./upstream/upstream.ts";

export interface DataPlaneOptions {
  readonly settings: DataPlaneSettings;
  readonly clock: Clock;
  readonly ids: Pick<IdSource, "next">;
  readonly services: PolicyServices;
  readonly analytics: AnalyticsBoard | undefined;
  readonly threadCount?: ThreadCount | undefined;
  /** Absent: nothing is captured. */
  readonly insight?: { readonly worker: number; readonly board: InsightBoard; readonly random: Random } | undefined;
  readonly send: (message: FromWorker, transfer?: readonly ArrayBuffer[]) => void;
  readonly onFault: (error: unknown) => void;
}

const tickMs = 100;
/** Where clients were not told in time that they have to go elsewhere, they have so many ticks for their next request. */
const looksBeforeClose = 10;
const routesEveryMs = 1_000;
const inFlightEveryMs = 25;

const openers: Readonly<Record<DataPlaneSettings["upstreamClient"], OpenConnection>> = {
  own: (...parameters) => new Http1Connection(...parameters),
  undici: (...parameters) => new UndiciConnection(...parameters),
};

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
  readonly wallAt: RequestContext["wallAt"];
  readonly keepAliveHint: string;
  readonly newRequestId: () => string;
  readonly after: RequestContext["after"];
  readonly onFault: (error: unknown) => void;
  nowMs: number;
  /** From monotonic to wall-clock time, looked at with every tick: a Date for every request costs more. */
  #wallOffsetMs: number;
  isDraining = false;
  /** No listener is opened any more, whatever is still wanted: what it took would be cut off at the end. */
  #hasStoppedAccepting = false;
  readonly #options: DataPlaneOptions;
  readonly #registry: ReplicaRegistry;
  readonly #routes: RouteBook;
  readonly #sets: SetLibrary;
  readonly #fronts = new Map<string, Front>();
  /** Removed, with connections left; looks at them until idle ones are closed. */
  readonly #closing = new Map<Front, number>();
  /** Removed, and still there for whoever asks for them on such a connection: somebody else takes the new ones. */
  readonly #leavingApps = new Set<string>();
  readonly #recorder: RequestRecorder;
  readonly insight: InsightRecorder | undefined;
  readonly #messages: MessageCounter;
  readonly #perAddress = new Map<string, number>();
  #connections = 0;
  #tunnels = 0;
  #requests = 0;
  #turn = 0;
  #isLate = false;
  #isShedding = false;
  #routesAtMs = 0;
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
    this.wallAt = (monotonicMs) => Math.floor(monotonicMs + this.#wallOffsetMs);
    const { keepAliveTimeoutMs, requestsPerConnection } = settings;
    this.keepAliveHint = `timeout=${Math.floor(keepAliveTimeoutMs / 1_000)}, max=${requestsPerConnection}`;
    this.newRequestId = () => ids.next();
    this.after = services.clock.after;
    this.onFault = options.onFault;
    this.nowMs = clock.monotonicMs();
    this.#wallOffsetMs = clock.now().getTime() - this.nowMs;
    const connect = openers[settings.upstreamClient];
    this.#registry = createReplicaRegistry((endpoint) =>
      endpoint.protocol === "h2c" ? new Http2Upstream(endpoint, this) : new Http1Upstream(endpoint, this, connect),
    );
    this.#sets = createSetLibrary(services, settings);
    this.#routes = createRouteBook({ registry: this.#registry, verdictOf: (...of) => this.#sets.verdictOf(...of) });
    const { analytics, threadCount, insight, send } = options;
    const now = (): Instant => ({ wallMs: this.wallAt(this.nowMs), monotonicMs: this.nowMs });
    this.insight = insight && new InsightRecorder({ ...insight, now, send });
    this.#messages = new MessageCounter((replicas) => send({ type: "traffic", replicas }));
    this.#recorder = new RequestRecorder({ board: analytics, threadCount, send, nowMs: clock.now().getTime() });
  }

  /** Until `signal` aborts. */
  async run(signal: AbortSignal): Promise<void> {
    const { clock } = this.#options;
    while (!signal.aborted) {
      const dueMs = clock.monotonicMs() + tickMs;
      await clock.sleep(tickMs, signal).catch(() => undefined); // aborted
      this.nowMs = clock.monotonicMs();
      this.#wallOffsetMs = clock.now().getTime() - this.nowMs;
      // Twice in a row: one pause of the collector is no overload.
      const isLate = this.nowMs - dueMs > this.settings.shedDelayMs;
      this.#isShedding = isLate && this.#isLate;
      this.#isLate = isLate;
      this.#registry.tick(this.nowMs);
      // Right behind the look at the sockets: what a client has sent is no idle connection any more.
      if (this.isDraining || this.#closing.size > 0) setImmediate(() => this.#closeIdle());
      for (const front of this.#fronts.values()) front.tick(this.nowMs);
      for (const front of this.#closing.keys()) front.tick(this.nowMs);
      this.#recorder.tick(this.nowMs, this.wallAt(this.nowMs));
      this.#messages.tick(this.nowMs);
      this.insight?.tick(this.nowMs);
      if (this.nowMs - this.#routesAtMs >= routesEveryMs) this.#sendRoutes();
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
        case "app_removed":
          this.#leavingApps.add(change.appId);
          this.#forgetApps();
          break;
        case "app_set":
          this.#leavingApps.delete(change.app.appId);
          this.#routes.apply(change);
          break;
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
    if (this.#hasStoppedAccepting) return;
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
    this.#closing.set(front, this.isDraining ? 0 : looksBeforeClose);
  }

  async #drain({ stopAccepting }: StartDraining): Promise<void> {
    this.isDraining = true;
    for (const front of this.#fronts.values()) front.startDraining();
    if (stopAccepting !== "now") return;
    this.#hasStoppedAccepting = true;
    for (const listenerId of this.#fronts.keys()) this.#removeListener(listenerId);
    this.#closeIdle();
    this.#watchDrained();
  }

  #watchDrained(): void {
    if (this.#closing.size > 0) return void this.after(tickMs, () => this.#watchDrained());
    this.#recorder.flush(this.wallAt(this.preciseMs()));
    this.#messages.flush();
    this.insight?.flush();
    this.#options.send({ type: "drained" });
  }

  #closeIdle(): void {
    for (const [front, looks] of this.#closing) {
      if (looks > 0) this.#closing.set(front, looks - 1);
      else front.closeIdle();
      if (front.isGone) this.#closing.delete(front);
    }
    this.#forgetApps();
  }

  #forgetApps(): void {
    for (const appId of this.#leavingApps) {
      if ([...this.#closing.keys()].some((front) => front.isOf(appId))) continue;
      this.#leavingApps.delete(appId);
      this.#routes.apply({ change: "app_removed", appId });
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

  onToldBegun(): void {
    this.#recorder.begin();
  }

  onToldOver(): void {
    this.#recorder.end();
  }

  onReplicaReleased(replica: Replica): void {
    if (!this.#registry.onReleased(replica) || this.#isInFlightDue) return;
    this.#isInFlightDue = true;
    this.after(inFlightEveryMs, () => this.#sendInFlight());
  }

  count(disposition: Disposition, durationMs: number): void {
    this.#recorder.count(disposition, durationMs);
  }

  countMessage(message: Message): void {
    this.#messages.add(message);
  }

  record(request: ReportableRequest): void {
    this.#recorder.add(request);
  }

  #sendInFlight(): void {
    this.#isInFlightDue = false;
    const draining = this.#registry.draining();
    const text = JSON.stringify(draining);
    if (text === this.#lastInFlight) return;
    this.#lastInFlight = text;
    this.#options.send({ type: "in_flight", draining });
  }

  #sendRoutes(): void {
    this.#routesAtMs = this.nowMs;
    const apis = this.#sets.takeSightings();
    if (apis.length > 0) this.#options.send({ type: "routes", apis });
  }
}
