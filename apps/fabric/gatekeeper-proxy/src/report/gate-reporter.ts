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

/** A thousand gates that open together are reported together. */
const coalesceMs = 50;
/** Gates of one message; an app is never parted. With a message each of the longest kind it is below 1 MiB. */
const mostGates = 500;

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

  /** All gates: the first report is complete, the others add to it. */
  complete(): readonly GateReport[] {
    this.#changed.clear();
    const [first = [], ...more] = parted(this.#appsOf(undefined));
    return [{ complete: true, apps: first }, ...more.map((apps) => ({ complete: false, apps }))];
  }

  async #sendSoon(): Promise<void> {
    await this.#deps.clock.sleep(coalesceMs);
    this.#isScheduled = false;
    if (this.#changed.size === 0) return;
    const appIds = new Set(this.#changed);
    this.#changed.clear();
    // Nobody there: the next stream begins with all gates.
    for (const apps of parted(this.#appsOf(appIds))) this.#deps.send({ complete: false, apps });
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

function parted(apps: GateReport["apps"]): GateReport["apps"][] {
  const parts: GateReport["apps"][] = [];
  let count = mostGates;
  for (const app of apps) {
    if (count + app.gates.length > mostGates) {
      parts.push([]);
      count = 0;
    }
    parts.at(-1)?.push(app);
    count += app.gates.length;
  }
  return parts;
}

/** How one gate stands, as the control plane hears it. */
function gateStatus(
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
