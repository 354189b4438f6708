import {
  createFrontStatusWriter,
  describePortHolder,
  gatewayStatusPath,
  processRef,
  type AppRoute,
  type FrontStatusWriter,
} from "@drawbridge/app-routes";
import type { Clock } from "@drawbridge/lifecycle";
import type { InFlight, Listening } from "../workers/protocol.ts";

interface Shown {
  readonly route: AppRoute;
  readonly writer: FrontStatusWriter;
  /** By worker: the failure, or that it listens. */
  readonly listening: Map<number, string | undefined>;
  failingSinceMs: number | undefined;
  isRetrying: boolean;
  /** Tables that were sent, oldest first. */
  readonly sent: { readonly tableSequence: number; readonly sequence: number }[];
}

interface AppStatusDeps {
  readonly gatewayId: string;
  readonly clock: Clock;
  /** Gates of the app through which nothing is let. */
  readonly closedGates: (appId: string) => number;
  /** Ask the workers once more to listen for this app. */
  readonly retry: (appId: string) => void;
}

const retryMs = 100;
/** A port that was ours a moment ago may be held by the last thread of a process that is dying. */
const takenGraceMs = 2_000;

/**
 * Says for each app how it is served, in the form of a front, in a file under this gateway's id: whether it is listened for, which endpoints are in
 * force in every worker, how many requests are under way at replicas that get no new ones.
 */
export class AppStatus {
  readonly #deps: AppStatusDeps;
  readonly #apps = new Map<string, Shown>();
  readonly #draining = new Map<number, InFlight["draining"]>();
  #applied = 0;
  #isStopping = false;

  constructor(deps: AppStatusDeps) {
    this.#deps = deps;
  }

  serve(route: AppRoute): void {
    const known = this.#apps.get(route.appId);
    if (known !== undefined && JSON.stringify(known.route) === JSON.stringify(route)) return;
    const writer = createFrontStatusWriter({
      path: gatewayStatusPath(route.statusPath, this.#deps.gatewayId),
      process: processRef(process.pid),
      clock: this.#deps.clock,
    });
    this.#apps.set(route.appId, {
      route,
      writer,
      listening: new Map(),
      failingSinceMs: undefined,
      isRetrying: false,
      sent: [],
    });
    writer.update({ phase: this.#isStopping ? "stopping" : "starting" });
  }

  remove(appId: string): void {
    this.#apps.get(appId)?.writer.update({ phase: "stopping" });
    this.#apps.delete(appId);
  }

  /** Gates of these apps opened or closed. */
  gatesChanged(appIds: Iterable<string>): void {
    for (const appId of appIds) this.#apps.get(appId)?.writer.update({ closedGates: this.#deps.closedGates(appId) });
  }

  /** Its table is in force once all workers have applied `sequence`. */
  sent(appId: string, tableSequence: number, sequence: number): void {
    const app = this.#apps.get(appId);
    if (app === undefined) return;
    app.sent.push({ tableSequence, sequence });
    if (sequence <= this.#applied) this.applied(this.#applied);
  }

  applied(sequence: number): void {
    this.#applied = Math.max(this.#applied, sequence);
    for (const { sent, writer, route } of this.#apps.values()) {
      const last = sent.findLast((entry) => entry.sequence <= this.#applied);
      if (last === undefined) continue;
      sent.splice(0, sent.indexOf(last) + 1);
      writer.update({ sequence: last.tableSequence, draining: this.#drainingOf(route.appId) });
    }
  }

  listening(workerIndex: number, { listenerId, failure }: Listening): void {
    const app = this.#apps.get(listenerId);
    if (app === undefined) return;
    app.listening.set(workerIndex, failure);
    this.#show(app);
    if (failure !== undefined) void this.#retryLater(listenerId);
  }

  inFlight(workerIndex: number, { draining }: InFlight): void {
    const before = this.#draining.get(workerIndex) ?? [];
    this.#draining.set(workerIndex, draining);
    for (const appId of new Set([...before, ...draining].map((entry) => entry.appId))) {
      this.#apps.get(appId)?.writer.update({ draining: this.#drainingOf(appId) });
    }
  }

  /** A worker is gone, and the requests that it had. */
  gone(workerIndex: number): void {
    this.inFlight(workerIndex, { type: "in_flight", draining: [] });
    for (const { listening } of this.#apps.values()) listening.delete(workerIndex);
  }

  /** From now on nobody waits for this gateway, whatever its workers still say. */
  stopping(): void {
    this.#isStopping = true;
    for (const { writer } of this.#apps.values()) writer.update({ phase: "stopping" });
  }

  /** Apps whose port cannot be listened on, and why. */
  failures(): readonly { readonly appName: string; readonly failure: string }[] {
    return [...this.#apps.values()].flatMap(({ route, listening }) => {
      const failure = [...listening.values()].find((said) => said !== undefined);
      return failure === undefined ? [] : [{ appName: route.appName, failure }];
    });
  }

  #show(app: Shown): void {
    if (this.#isStopping) return;
    const said = [...app.listening.values()];
    const failure = said.find((one) => one !== undefined);
    if (failure === undefined) {
      app.failingSinceMs = undefined;
      const closedGates = this.#deps.closedGates(app.route.appId);
      app.writer.update({ phase: "listening", detail: "", closedGates });
      return;
    }
    app.failingSinceMs ??= this.#deps.clock.monotonicMs();
    const isTaken = failure === "EADDRINUSE";
    if (isTaken && this.#deps.clock.monotonicMs() - app.failingSinceMs < takenGraceMs) return;
    const detail = isTaken ? (describePortHolder(app.route.port) ?? "") : failure;
    app.writer.update({ phase: isTaken ? "port_in_use" : "cannot_listen", detail });
  }

  /** Every worker tells its failure, and asking once asks all of them. */
  async #retryLater(appId: string): Promise<void> {
    const app = this.#apps.get(appId);
    if (app === undefined || app.isRetrying) return;
    app.isRetrying = true;
    await this.#deps.clock.sleep(retryMs);
    app.isRetrying = false;
    this.#deps.retry(appId);
  }

  #drainingOf(appId: string): Record<string, number> {
    const counts: Record<string, number> = {};
    for (const draining of this.#draining.values()) {
      for (const entry of draining) {
        if (entry.appId === appId) counts[entry.replicaId] = (counts[entry.replicaId] ?? 0) + entry.count;
      }
    }
    return counts;
  }
}
