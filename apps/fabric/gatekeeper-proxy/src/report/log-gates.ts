import type { Logger } from "@drawbridge/telemetry";
import type { GateState } from "../gate/gate.ts";
import type { GateExplanation } from "../gatekeeper/explain-gate.ts";
import type { GateRecord } from "../gatekeeper/gate-book.ts";

/** More that change at once are one record a state: a log that is slow must not hold up a thousand gates. */
const mostAtOnce = 10;
/** Somebody must act. */
const alarming: ReadonlySet<GateState["state"]> = new Set(["policy_error", "degraded", "open"]);

export function logGates(
  changed: readonly GateRecord[],
  { explain, logger }: { readonly explain: (record: GateRecord) => GateExplanation; readonly logger: Logger },
): void {
  const byState = Map.groupBy(changed, ({ gate }) => gate.gate.state);
  for (const [state, records] of byState) {
    const level = alarming.has(state) ? "error" : "info";
    if (records.length > mostAtOnce) logger[level]({ state, count: records.length }, "gates");
    for (const record of records.slice(0, records.length > mostAtOnce ? 0 : undefined)) {
      const { reason, message } = explain(record);
      const { name, version } = record.binding;
      logger[level]({ app: record.appName, api: name, version, state, reason, detail: message }, "gate");
    }
  }
}
