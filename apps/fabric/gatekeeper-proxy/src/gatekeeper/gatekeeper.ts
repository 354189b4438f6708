import type { Clock } from "@drawbridge/lifecycle";
import type { ApiName } from "../configuration/api-key.ts";
import type { ApiWish, ConfigurationTree } from "../configuration/configuration-tree.ts";
import type { LinkSession } from "../feed/link-session.ts";
import { enforcedSet, verdictOf, type BlockOnEdit, type Cached, type Desired, type GateFacts } from "../gate/gate.ts";
import type { ServedApp } from "../routes/app-watch.ts";
import { ListenerBook } from "../shared-ports/listener-book.ts";
import type { Change, Listener, SetProblem, Verdict } from "../workers/protocol.ts";
import { ApiSets, type CompleteSet, type LastComplete } from "./api-sets.ts";
import { AppBook, listenerOf } from "./app-book.ts";
import { explainGate, type GateExplanation } from "./explain-gate.ts";
import { GateBook, type GateRecord } from "./gate-book.ts";

export interface GatekeeperOptions {
  readonly connectDeadlineMs: number;
  readonly blockOnEdit: BlockOnEdit;
  /** `undefined`: a cache may be of any age. */
  readonly cacheMaxAgeMs: number | undefined;
}

interface GatekeeperDeps {
  readonly tree: Pick<ConfigurationTree, "root" | "wish" | "bind">;
  readonly link: Pick<LinkSession, "state" | "isConfirmed">;
  readonly clock: Clock;
  readonly options: GatekeeperOptions;
  /** To all workers; the answer is the sequence that `applied` names later. */
  readonly apply: (changes: readonly Change[]) => number;
  readonly onGates: (changed: readonly GateRecord[]) => void;
  readonly onGateGone: (record: GateRecord) => void;
  /** The APIs that somebody is bound to, when they have changed. */
  readonly onBound: (apis: readonly ApiName[]) => void;
  /** Its table is in force once `sequence` is applied. */
  readonly onAppSent: (appId: string, tableSequence: number, sequence: number) => void;
}

/*
 * Puts facts together: apps from the driver's files, sets from the tree and the cache, the connection, the workers' answers.
 * Whatever changes, the gates concerned are asked how they stand, and the workers are told what follows.
 *
 * Invariants:
 *   - A set goes to the workers before a gate opens to it, and is taken from them only after no gate is open to it.
 *   - Everything that follows from one change goes in one message to each worker.
 *   - An app's new deployment is sent with its gates closed, or open to sets that all workers hold.
 */
export class Gatekeeper {
  readonly gates = new GateBook();
  readonly apps = new AppBook();
  readonly #deps: GatekeeperDeps;
  readonly #sets = new Map<string, ApiSets>();
  /** APIs whose gates are to be asked. */
  readonly #dirty = new Set<string>();
  /** Apps that are new or changed; `undefined`: gone. */
  readonly #changedApps = new Map<string, ServedApp | undefined>();
  readonly #listenersToTry = new Set<string>();
  readonly #shared = new ListenerBook();
  #isBindingStale = false;
  #isReviewStale = true;
  #reviewAtMs: number | undefined;
  #isScheduled = false;
  #sequence = 0;

  constructor(deps: GatekeeperDeps) {
    this.#deps = deps;
  }

  setApp(served: ServedApp): void {
    const { clock } = this.#deps;
    const { route, table } = served;
    const at = { now: clock.now(), nowMs: clock.monotonicMs() };
    const before = this.#gatesOf(route.appId);
    for (const deployment of table?.deployments ?? []) {
      for (const binding of deployment.apis) {
        const record = this.gates.engage(route, deployment, binding, at);
        if (!before.delete(record)) this.#touch(record);
      }
    }
    this.#disengage(before);
    this.#changedApps.set(route.appId, served);
    this.#schedule();
  }

  removeApp(appId: string): void {
    this.#disengage(this.#gatesOf(appId));
    this.#changedApps.set(appId, undefined);
    this.#schedule();
  }

  /** The platform wants something else of these, or more of it is here. */
  apisChanged(keys: readonly string[]): void {
    for (const key of keys) {
      const wish = this.#deps.tree.wish(key);
      if (wish?.resolution.resolved === "complete") this.#setsOf(key).complete(this.#completeOf(wish.resolution));
      if (wish?.resolution.resolved === "absent") this.#setsOf(key).last = undefined;
      this.#dirty.add(key);
    }
    this.#schedule();
  }

  /** What the disk has of an API; once the platform said what it wants, only what was enforced before is of use. */
  cacheRead(key: string, cached: LastComplete | "none" | "corrupt"): void {
    const sets = this.#setsOf(key);
    const resolved = this.#deps.tree.wish(key)?.resolution.resolved;
    if (resolved !== "absent") {
      if (cached === "corrupt") sets.isCacheCorrupt ||= sets.last === undefined;
      else if (cached !== "none") sets.recall(cached);
    }
    this.#dirty.add(key);
    this.#schedule();
  }

  /** Ports that apps share, all of them. Told through here, in the order of everything else. */
  setShared(listeners: readonly Listener[]): void {
    this.#shared.want(listeners);
    this.#schedule();
  }

  /** A port was taken, of an app or shared: try again. */
  retryListener(listenerId: string): void {
    this.#listenersToTry.add(listenerId);
    this.#schedule();
  }

  /** Connection, deadline or time: it may concern every gate. */
  reviewAll(): void {
    for (const key of this.gates.keys) this.#dirty.add(key);
    this.#schedule();
  }

  applied(sequence: number): void {
    for (const [key, sets] of this.#sets) if (sets.applied(sequence)) this.#dirty.add(key);
    this.#schedule();
  }

  unusable(setId: string, problems: readonly SetProblem[]): void {
    for (const [key, sets] of this.#sets) if (sets.unusable(setId, problems)) this.#dirty.add(key);
    this.#schedule();
  }

  /** All that a worker must know: sets first, listeners last. */
  everything(): Change[] {
    const { apps, listeners } = this.apps.everything(this.#verdictOf);
    const sets = [...this.#sets.values()].flatMap((ofApi) => ofApi.everything());
    return [...sets, ...apps, ...listeners, ...this.#shared.everything()];
  }

  /** For a clock that ticks: review all gates if time alone has changed one. */
  tick(): void {
    if (this.#isReviewStale) this.#reviewAtMs = this.gates.nextReviewMs(this.#factsOf);
    this.#isReviewStale = false;
    if (this.#reviewAtMs !== undefined && this.#deps.clock.monotonicMs() >= this.#reviewAtMs) this.reviewAll();
  }

  explain(record: GateRecord): GateExplanation {
    const { tree, link } = this.#deps;
    const sets = this.#setsOf(record.key);
    return explainGate(record.gate.gate, {
      link: link.state,
      resolution: tree.wish(record.key)?.resolution ?? { resolved: "no_root" },
      cached: this.#cachedOf(sets).found,
      problems: (setId) => sets.problems(setId),
      apiName: record.api.name,
      apiVersion: record.api.version,
      environment: record.api.environment,
    });
  }

  /** What is enforced and what should be, for reports. */
  sets(record: GateRecord): {
    readonly enforced: CompleteSet | undefined;
    readonly desiredRevision: number;
    readonly problems: readonly SetProblem[];
    readonly cachedAt: Date | undefined;
  } {
    const sets = this.#setsOf(record.key);
    const { gate } = record.gate;
    const setId = enforcedSet(gate);
    const badSetId = gate.state === "policy_error" ? gate.setId : gate.state === "degraded" ? gate.badSetId : undefined;
    const resolution = this.#deps.tree.wish(record.key)?.resolution;
    return {
      enforced: setId === undefined ? undefined : sets.find(setId),
      desiredRevision:
        resolution?.resolved === "complete"
          ? resolution.facts.revision
          : resolution?.resolved === "missing"
            ? resolution.revision
            : 0,
      problems: badSetId === undefined ? [] : sets.problems(badSetId),
      cachedAt: sets.last?.newest.confirmedAt,
    };
  }

  /** Whether a set was compiled by every worker: what is worth keeping on the disk as the one before. */
  isUsable(key: string, setId: string): boolean {
    return this.#sets.get(key)?.outcome(setId) !== "unusable";
  }

  readonly #verdictOf = (gateId: string): Verdict => {
    const record = this.gates.get(gateId);
    return record === undefined ? { verdict: "closed", reason: "initializing" } : verdictOf(record.gate);
  };

  readonly #factsOf = (record: GateRecord): GateFacts => {
    const { tree, link, clock, options } = this.#deps;
    const sets = this.#setsOf(record.key);
    const { state, sinceMs } = link.state;
    return {
      level: record.level,
      link: { state, sinceMs },
      isConfirmed: state === "up" && link.isConfirmed(tree.root),
      desired: this.#desiredOf(tree.wish(record.key), sets),
      cached: this.#cachedOf(sets),
      nowMs: clock.monotonicMs(),
      connectDeadlineMs: options.connectDeadlineMs,
      blockOnEdit: options.blockOnEdit,
    };
  };

  #desiredOf(wish: ApiWish | undefined, sets: ApiSets): Desired {
    const sinceMs = wish?.sinceMs ?? this.#deps.clock.monotonicMs();
    const resolution = wish?.resolution ?? { resolved: "no_root" as const };
    switch (resolution.resolved) {
      case "no_root":
        return { known: "incomplete", missing: "root", sinceMs };
      case "no_entry":
        return { known: "incomplete", missing: "entry", sinceMs };
      case "missing":
        return { known: "incomplete", missing: resolution.what, sinceMs };
      case "absent":
        return { known: "absent" };
      case "complete":
        return { known: "set", setId: resolution.set.setId, outcome: sets.outcome(resolution.set.setId) };
    }
  }

  #cachedOf(sets: ApiSets): Cached {
    const { last } = sets;
    if (last === undefined) return { found: sets.isCacheCorrupt ? "corrupt" : "none" };
    const { cacheMaxAgeMs } = this.#deps.options;
    const ageMs = this.#deps.clock.now().getTime() - last.newest.confirmedAt.getTime();
    if (cacheMaxAgeMs !== undefined && ageMs > cacheMaxAgeMs) return { found: "too_old" };
    return { found: "set", ...sets.known(last.newest), before: last.before && sets.known(last.before) };
  }

  #completeOf({ set, facts, problems }: Omit<CompleteSet, "confirmedAt">): CompleteSet {
    return { set, facts, problems, confirmedAt: this.#deps.clock.now() };
  }

  #setsOf(key: string): ApiSets {
    const known = this.#sets.get(key);
    if (known !== undefined) return known;
    const sets = new ApiSets();
    this.#sets.set(key, sets);
    return sets;
  }

  #gatesOf(appId: string): Set<GateRecord> {
    return new Set([...this.gates.all()].filter((record) => record.appId === appId));
  }

  #disengage(records: Iterable<GateRecord>): void {
    for (const record of records) {
      this.gates.remove(record);
      this.#touch(record);
      this.#deps.onGateGone(record);
    }
  }

  #touch({ key }: GateRecord): void {
    this.#dirty.add(key);
    this.#isBindingStale = true;
  }

  /** Events that come together are answered together. */
  #schedule(): void {
    if (this.#isScheduled) return;
    this.#isScheduled = true;
    setImmediate(() => {
      this.#bind();
      this.#isScheduled = false;
      this.#answer();
    });
  }

  #bind(): void {
    if (!this.#isBindingStale) return;
    this.#isBindingStale = false;
    const apis = this.gates.apis();
    this.#deps.tree.bind(apis);
    this.#deps.onBound(apis);
  }

  /** Ask the gates of all APIs that changed, and tell the workers what follows, in one message. */
  #answer(): void {
    this.#isReviewStale = true;
    const sequence = this.#sequence + 1;
    const changed: GateRecord[] = [];
    const verdicts: { gateId: string; verdict: Verdict }[] = [];
    const added: Change[] = [];
    const removed: Change[] = [];
    const now = this.#deps.clock.now();
    for (const key of this.#dirty) {
      const sets = this.#setsOf(key);
      // First what is wanted, so that what is broken by its form alone is known when the gates are asked.
      const wanted = sets.hold([...this.#wanted(key), ...this.#enforced(key)], sequence);
      const reviewed = this.gates.review(key, this.#factsOf, now);
      const left = sets.hold([...this.#wanted(key), ...this.#enforced(key)], sequence);
      changed.push(...reviewed.changed);
      verdicts.push(...reviewed.verdicts);
      added.push(...wanted.added, ...left.added);
      removed.push(...wanted.removed, ...left.removed);
      if (!this.gates.has(key)) this.#sets.delete(key);
    }
    this.#dirty.clear();
    const listeners = [...this.#listenersToTry].flatMap((listenerId): Change[] => {
      const route = this.apps.route(listenerId);
      const shared = this.#shared.find(listenerId);
      if (shared !== undefined) return [{ change: "listener_set", listener: shared }];
      return route === undefined ? [] : [listenerOf(route)];
    });
    this.#listenersToTry.clear();
    const changes: Change[] = [
      ...added,
      ...(verdicts.length > 0 ? [{ change: "verdicts_set" as const, verdicts }] : []),
      ...this.#appChanges(),
      ...removed,
      ...listeners,
      ...this.#shared.changes(),
    ];
    if (changes.length > 0) this.#sequence = this.#deps.apply(changes);
    for (const [appId, served] of this.#changedApps) {
      if (served?.table !== undefined) this.#deps.onAppSent(appId, served.table.sequence, this.#sequence);
    }
    this.#changedApps.clear();
    if (changed.length > 0) this.#deps.onGates(changed);
  }

  #appChanges(): Change[] {
    return [...this.#changedApps].flatMap(([appId, served]) =>
      served === undefined ? this.apps.remove(appId) : this.apps.set(served, this.#verdictOf),
    );
  }

  /** Sets that the API's gates may open to: what the platform wants, or, until that is known, what it last wanted. */
  #wanted(key: string): CompleteSet[] {
    const gates = [...this.gates.ofApi(key)];
    const { last } = this.#setsOf(key);
    if (gates.length === 0 || last === undefined) return [];
    const isBroken = this.#setsOf(key).outcome(last.newest.set.setId) === "unusable";
    const needsBefore = isBroken && gates.some(({ level }) => level === "disabled");
    return needsBefore && last.before !== undefined ? [last.newest, last.before] : [last.newest];
  }

  #enforced(key: string): CompleteSet[] {
    const sets = this.#setsOf(key);
    const ids = new Set([...this.gates.ofApi(key)].flatMap(({ gate }) => enforcedSet(gate.gate) ?? []));
    return [...ids].flatMap((setId) => sets.find(setId) ?? []);
  }
}
