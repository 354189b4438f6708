import type { Gatekeeper } from "../gatekeeper/gatekeeper.ts";
import type { OrderedCapture } from "./open-insight.ts";

/** Captures of the documents that gates enforce, each once, however many deployments serve an API. */
export function orderedCaptures(gatekeeper: Pick<Gatekeeper, "gates" | "sets">): readonly OrderedCapture[] {
  const found = new Map<string, OrderedCapture>();
  for (const record of gatekeeper.gates.all()) {
    const { environment } = record.api;
    const { name: api, version } = record.binding;
    for (const capture of gatekeeper.sets(record).enforced?.facts.captures ?? []) {
      found.set(capture.captureId, { environment, api, version, capture });
    }
  }
  return [...found.values()];
}
