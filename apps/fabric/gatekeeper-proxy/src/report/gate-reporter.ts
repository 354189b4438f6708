import type { GateReport } from "@drawbridge/contracts/gateway/v1/gateway_service";
import type { GateStatus } from "@drawbridge/contracts/runtime/v1/gate";
import type { Clock } from "@drawbridge/lifecycle";
import type { Gatekeeper } from "../gatekeeper/gatekeeper.ts";
import type { GateRecord } from "../gatekeeper/gate-book.ts";

interface GateReporterDeps {
  readonly gatewayId: string;
  readonly gatekeeper: Pick<Gatekeeper, "gates" | "explain" | "sets">;
  readonly clock: Clock;
  readonly send: (report: GateReport) => boolean;
}

/** A thousand gates that open together are one report. */
const coalesceMs = 50;

/** Reports gates to the agent: whole apps, soon after one of their gates changed. */
export class GateReporter {
  readonly #deps: GateReporterDeps;
  readonly #changed = new Set<string>();
  #isScheduled = false;

  constructor(deps: GateReporterDeps) {
    this.#deps = deps;
  }

  changed(appId: string): void {
    this.#changed.add(appId);
    if (this.#isScheduled) return;
    this.#isScheduled = true;
    void this.#sendSoon();
  }

  complete(): GateReport {
    this.#changed.clear();
    return { complete: true, apps: this.#appsOf(undefined) };
  }

  async #sendSoon(): Promise<void> {
    await this.#deps.clock.sleep(coalesceMs);
    this.#isScheduled = false;
    if (this.#changed.size === 0) return;
    const appIds = new Set(this.#changed);
    this.#changed.clear();
    // Nobody there: the next stream begins with all gates.
    this.#deps.send({ complete: false, apps: this.#appsOf(appIds) });
  }

  #appsOf(appIds: ReadonlySet<string> | undefined): GateReport["apps"] {
    const byApp = new Map<string, GateStatus[]>();
    for (const appId of appIds ?? []) byApp.set(appId, []);
    for (const record of this.#deps.gatekeeper.gates.all()) {
      if (appIds !== undefined && !appIds.has(record.appId)) continue;
      const gates = byApp.get(record.appId) ?? [];
      gates.push(gateStatus(record, this.#deps));
      byApp.set(record.appId, gates);
    }
    return [...byApp].map(([appId, gates]) => ({ appId, gates }));
  }
}

/** How one gate stands, as the control plane hears it. */
export function gateStatus(
  record: GateRecord,
  { gatekeeper, gatewayId }: Pick<GateReporterDeps, "gatekeeper" | "gatewayId">,
): GateStatus {
  const { reason, message } = gatekeeper.explain(record);
  const { enforced, desiredRevision } = gatekeeper.sets(record);
  return {
    gatewayId,
    apiName: record.binding.name,
    apiVersion: record.binding.version,
    basePath: record.binding.basePath,
    deployment: record.deployment,
    state: record.gate.gate.state,
    since: record.since,
    level: record.level,
    levelSource: record.levelSource,
    reason,
    message,
    appliedRevision: BigInt(enforced?.facts.revision ?? 0),
    desiredRevision: BigInt(desiredRevision),
    policies: enforced?.facts.policies ?? 0,
    contracts: enforced?.facts.contracts ?? 0,
  };
}
