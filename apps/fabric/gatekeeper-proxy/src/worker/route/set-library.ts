import { ApiDocument } from "@drawbridge/contracts/apis/v1/configuration";
import { compileApi, type CompiledApi, type PolicyServices } from "@drawbridge/policies";
import type { ApiSet, SetProblem } from "../../workers/protocol.ts";
import type { Verdict } from "../../workers/protocol.ts";
import type { GateVerdict } from "./gate-point.ts";

/** The sets of policies of this thread, compiled. */
export interface SetLibrary {
  /** Compile it; the problems if it is unusable. */
  add(set: ApiSet): Promise<readonly SetProblem[]>;
  remove(setId: string): void;
  /** What a verdict means here; a set that could not be compiled is a closed gate. */
  verdictOf(verdict: Verdict): GateVerdict;
}

/*
 * Invariant: what was compiled is closed when the last set that it serves is removed; sets that differ in their contracts
 * only share it, so that counters, caches and circuit breakers live on.
 */
export function createSetLibrary(services: PolicyServices): SetLibrary {
  const compiled = new Map<string, CompiledApi>();
  const latest = new Map<string, CompiledApi>();

  function forget(setId: string): void {
    const api = compiled.get(setId);
    compiled.delete(setId);
    if (api === undefined || [...compiled.values()].includes(api)) return;
    const key = keyOf(api);
    if (latest.get(key) === api) latest.delete(key);
    api.close();
  }

  return {
    async add(set) {
      const document = ApiDocument.decode(set.document);
      const previous = latest.get(keyOf(document));
      const result = await compileApi(
        {
          document,
          contractPages: set.contractPages,
          assets: new Map(set.assets.map(({ digest, bytes }) => [digest, bytes])),
        },
        { services, ...(previous !== undefined && { previous }) },
      );
      if (result.outcome === "unusable") return result.problems;
      forget(set.setId);
      compiled.set(set.setId, result.api);
      latest.set(keyOf(document), result.api);
      return [];
    },
    remove: forget,
    verdictOf(verdict) {
      if (verdict.verdict !== "open") return verdict;
      const api = compiled.get(verdict.setId);
      return api === undefined ? { verdict: "closed", reason: "policy_error" } : { verdict: "open", api };
    },
  };
}

function keyOf({ environment, name, version }: Pick<ApiDocument, "environment" | "name" | "version">): string {
  return `${environment}\n${name}\n${version}`;
}
