import { ApiDocument } from "@drawbridge/contracts/apis/v1/configuration";
import { compileApi, type CompiledApi, type PolicyServices } from "@drawbridge/policies";
import { RouteSightings } from "../../observed-routes/route-sightings.ts";
import { ApiReporting } from "../analytics/api-reporting.ts";
import type { ApiSet, SeenRoutes, SetProblem } from "../../workers/protocol.ts";
import type { Verdict } from "../../workers/protocol.ts";
import type { DataPlaneSettings } from "../settings.ts";
import { mayCapture } from "../../insight/insight-permission.ts";
import type { CaptureOrder } from "../../insight/capture-order.ts";
import { ApiCaptures, capturesOf } from "../insight/api-captures.ts";
import type { GateVerdict } from "./gate-point.ts";

/** The sets of policies of this thread, compiled. */
export interface SetLibrary {
  /** Compile it; the problems if it is unusable. */
  add(set: ApiSet): Promise<readonly SetProblem[]>;
  remove(setId: string): void;
  /** What a verdict means here; a set that could not be compiled is a closed gate. */
  verdictOf(verdict: Verdict, appName: string): GateVerdict;
  /** What was seen of the APIs that are observed, by API. */
  takeSightings(): SeenRoutes["apis"];
}

interface Told {
  readonly document: ApiDocument;
  readonly settings: NonNullable<ApiDocument["analytics"]>;
  readonly byApp: Map<string, ApiReporting>;
}

interface Captured {
  readonly document: ApiDocument;
  readonly orders: readonly CaptureOrder[];
  readonly byApp: Map<string, ApiCaptures>;
}

/*
 * Invariant: what was compiled is closed when the last set that it serves is removed; sets that differ in their contracts
 * only share it, so that counters, caches and circuit breakers live on.
 */
export function createSetLibrary(
  services: PolicyServices,
  telling: Pick<DataPlaneSettings, "analytics" | "chosenWords" | "insight">,
): SetLibrary {
  const compiled = new Map<string, CompiledApi>();
  const latest = new Map<string, CompiledApi>();
  /** Of sets that want their API observed. */
  const sightings = new Map<string, { readonly key: string; readonly seen: RouteSightings }>();

  /** Documents of sets whose requests are told of, and how, by app. */
  const told = new Map<string, Told>();

  function reportingOf(setId: string, appName: string): ApiReporting | undefined {
    const here = told.get(setId);
    if (here === undefined) return undefined;
    const reporting = here.byApp.get(appName) ?? new ApiReporting(here.document, here.settings, appName);
    here.byApp.set(appName, reporting);
    return reporting;
  }

  /** Documents of sets whose exchanges may be captured, and how, by app. */
  const captured = new Map<string, Captured>();

  function capturesAt(setId: string, appName: string): ApiCaptures | undefined {
    const here = captured.get(setId);
    if (here === undefined) return undefined;
    const captures = here.byApp.get(appName) ?? new ApiCaptures(here.document, here.orders, appName);
    here.byApp.set(appName, captures);
    return captures;
  }

  function forget(setId: string): void {
    const api = compiled.get(setId);
    compiled.delete(setId);
    sightings.delete(setId);
    told.delete(setId);
    captured.delete(setId);
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
      const { observeRoutes } = document;
      if (observeRoutes !== undefined) {
        sightings.set(set.setId, { key: keyOf(document), seen: new RouteSightings(observeRoutes.words) });
      }
      const { analytics } = document;
      const settings =
        telling.chosenWords === "allowed" || analytics === undefined ? analytics : { ...analytics, routeWords: [] };
      if (settings !== undefined && telling.analytics === "told") {
        told.set(set.setId, { document, settings, byApp: new Map() });
      }
      const orders = mayCapture(telling.insight, document.environment) ? capturesOf(document) : [];
      if (orders.length > 0) {
        captured.set(set.setId, { document: { ...document, analytics: settings }, orders, byApp: new Map() });
      }
      return [];
    },
    remove: forget,
    verdictOf(verdict, appName) {
      if (verdict.verdict !== "open") return verdict;
      const api = compiled.get(verdict.setId);
      if (api === undefined) return { verdict: "closed", reason: "policy_error" };
      const { setId } = verdict;
      return {
        verdict: "open",
        api,
        sightings: sightings.get(setId)?.seen,
        reporting: reportingOf(setId, appName),
        captures: capturesAt(setId, appName),
      };
    },
    takeSightings: () =>
      [...sightings.values()].flatMap(({ key, seen }) => {
        const routes = seen.take();
        return routes.length === 0 ? [] : [{ key, routes }];
      }),
  };
}

function keyOf({ environment, name, version }: Pick<ApiDocument, "environment" | "name" | "version">): string {
  return `${environment}\n${name}\n${version}`;
}
