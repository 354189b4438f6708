import type { BoundApi, DeploymentEndpoints } from "@drawbridge/app-routes";
import type { GatekeeperLevel } from "@drawbridge/policies";
import { apiKey, type ApiName } from "../configuration/api-key.ts";
import { engagedGate, verdictOf, type Gate, type GateFacts } from "../gate/gate.ts";
import { nextGate, reviewAtMs } from "../gate/next-gate.ts";
import type { Verdict } from "../workers/protocol.ts";

/** The gate of one API of one deployment of an app, and all that is known of it. */
export interface GateRecord {
  readonly gateId: string;
  readonly appId: string;
  readonly appName: string;
  readonly deployment: string;
  readonly binding: BoundApi;
  readonly api: ApiName;
  readonly key: string;
  /** As they were when the gate was engaged: a change counts from the next deployment or restart on. */
  readonly level: GatekeeperLevel;
  readonly levelSource: string;
  gate: Gate;
  /** Since when it is in this state. */
  since: Date;
  /** Monotonic; when it was last asked how it stands. */
  reviewedAtMs: number;
}

export interface VerdictChange {
  readonly gateId: string;
  readonly verdict: Verdict;
}

export type FactsOf = (record: GateRecord) => GateFacts;

/** All gates of this gateway. One gate's state is made of its own record and the facts of its own API, of nothing else (I4). */
export class GateBook {
  readonly #gates = new Map<string, GateRecord>();
  readonly #byKey = new Map<string, Set<GateRecord>>();

  get(gateId: string): GateRecord | undefined {
    return this.#gates.get(gateId);
  }

  all(): Iterable<GateRecord> {
    return this.#gates.values();
  }

  ofApi(key: string): Iterable<GateRecord> {
    return this.#byKey.get(key) ?? [];
  }

  /** The APIs that somebody is bound to. */
  apis(): ApiName[] {
    return [...this.#byKey.values()].flatMap((gates) => [...gates].slice(0, 1).map(({ api }) => api));
  }

  has(key: string): boolean {
    return this.#byKey.has(key);
  }

  get keys(): ReadonlySet<string> {
    return new Set(this.#byKey.keys());
  }

  /** The gate of a binding; engaged if there was none (rows 1-3). */
  engage(
    app: { readonly appId: string; readonly appName: string; readonly environment: string },
    deployment: DeploymentEndpoints,
    binding: BoundApi,
    { now, nowMs }: { readonly now: Date; readonly nowMs: number },
  ): GateRecord {
    const gateId = gateIdOf(app.appId, deployment.key, binding);
    const known = this.#gates.get(gateId);
    if (known !== undefined) return known;
    const api = { environment: app.environment, name: binding.name, version: binding.version };
    const record: GateRecord = {
      gateId,
      appId: app.appId,
      appName: app.appName,
      deployment: deployment.key,
      binding,
      api,
      key: apiKey(api),
      level: deployment.level,
      levelSource: deployment.levelSource,
      gate: engagedGate(nowMs),
      since: now,
      reviewedAtMs: nowMs,
    };
    this.#gates.set(gateId, record);
    const ofApi = this.#byKey.get(record.key) ?? new Set();
    this.#byKey.set(record.key, ofApi.add(record));
    return record;
  }

  /** Undeployed or unlinked (row 20). */
  remove(record: GateRecord): void {
    this.#gates.delete(record.gateId);
    const ofApi = this.#byKey.get(record.key);
    ofApi?.delete(record);
    if (ofApi?.size === 0) this.#byKey.delete(record.key);
  }

  /** Ask the gates of an API how they stand now. The answer: those whose state changed, and whose verdict. */
  review(
    key: string,
    factsOf: FactsOf,
    now: Date,
  ): { readonly changed: GateRecord[]; readonly verdicts: VerdictChange[] } {
    const changed: GateRecord[] = [];
    const verdicts: VerdictChange[] = [];
    for (const record of this.ofApi(key)) {
      const before = record.gate;
      const facts = factsOf(record);
      const after = nextGate(before, facts);
      record.gate = after;
      record.reviewedAtMs = facts.nowMs;
      if (JSON.stringify(before.gate) === JSON.stringify(after.gate)) continue;
      if (before.gate.state !== after.gate.state) record.since = now;
      changed.push(record);
      const verdict = verdictOf(after);
      if (JSON.stringify(verdict) !== JSON.stringify(verdictOf(before)))
        verdicts.push({ gateId: record.gateId, verdict });
    }
    return { changed, verdicts };
  }

  /** The first instant at which time alone changes a gate; it may be past: counted from each gate's last review. */
  nextReviewMs(factsOf: FactsOf): number | undefined {
    let next: number | undefined;
    for (const record of this.#gates.values()) {
      const atMs = reviewAtMs(record.gate, { ...factsOf(record), nowMs: record.reviewedAtMs });
      if (atMs !== undefined && (next === undefined || atMs < next)) next = atMs;
    }
    return next;
  }
}

export function gateIdOf(appId: string, deployment: string, { name, version, basePath }: BoundApi): string {
  return [appId, deployment, name, version, basePath].join("|");
}
