import { isDecided } from "../gate/gate.ts";
import type { Gatekeeper } from "../gatekeeper/gatekeeper.ts";
import type { GateRecord } from "../gatekeeper/gate-book.ts";
import type { SetProblem } from "../workers/protocol.ts";

/** One gate for a person on the machine: how it stands, since when, and exactly what is missing or broken. */
export interface GateView {
  readonly app: string;
  readonly appId: string;
  readonly environment: string;
  readonly api: string;
  readonly version: string;
  readonly basePath: string;
  readonly deployment: string;
  readonly state: string;
  readonly isServing: boolean;
  readonly since: string;
  readonly level: string;
  readonly levelSource: string;
  readonly reason: string;
  readonly message: string;
  readonly appliedRevision: number;
  readonly desiredRevision: number;
  readonly policies: number;
  readonly contracts: number;
  /** When the control plane last confirmed what the cache holds. */
  readonly cacheConfirmedAt: string | undefined;
  readonly problems: readonly SetProblem[];
}

export function viewGates(gatekeeper: Gatekeeper, app?: string): GateView[] {
  return [...gatekeeper.gates.all()]
    .filter(({ appId, appName }) => app === undefined || appId === app || appName === app)
    .map((record) => viewGate(gatekeeper, record));
}

function viewGate(gatekeeper: Gatekeeper, record: GateRecord): GateView {
  const { reason, message } = gatekeeper.explain(record);
  const { enforced, desiredRevision, problems, cachedAt } = gatekeeper.sets(record);
  const { state } = record.gate.gate;
  return {
    app: record.appName,
    appId: record.appId,
    environment: record.api.environment,
    api: record.binding.name,
    version: record.binding.version,
    basePath: record.binding.basePath,
    deployment: record.deployment,
    state,
    isServing: isDecided(record.gate.gate) && !record.gate.isEngaged,
    since: record.since.toISOString(),
    level: record.level,
    levelSource: record.levelSource,
    reason,
    message,
    appliedRevision: enforced?.facts.revision ?? 0,
    desiredRevision,
    policies: enforced?.facts.policies ?? 0,
    contracts: enforced?.facts.contracts ?? 0,
    cacheConfirmedAt: cachedAt?.toISOString(),
    problems,
  };
}
