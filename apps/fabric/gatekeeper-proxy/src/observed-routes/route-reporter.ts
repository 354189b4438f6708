import type { ApiRoutes } from "@drawbridge/contracts/apis/v1/route";
import { createLoop, type Clock, type Component } from "@drawbridge/lifecycle";
import { isRouteTemplate } from "@drawbridge/policies";
import type { Logger } from "@drawbridge/telemetry";
import type { ApiName } from "../configuration/api-key.ts";
import type { ApiWish } from "../configuration/configuration-tree.ts";
import type { LinkState } from "../feed/link-session.ts";
import type { SeenRoutes } from "../workers/protocol.ts";
import { RouteTally, type Route } from "./route-tally.ts";

export interface RouteReporter extends Component {
  /** A worker saw these. */
  saw(message: SeenRoutes): void;
}

interface RouteReporterDeps {
  readonly tree: { wish(key: string): Pick<ApiWish, "api" | "resolution"> | undefined };
  readonly link: { readonly state: Pick<LinkState, "state"> };
  readonly feed: () => { reportRoutes(apis: readonly ApiRoutes[]): Promise<void> };
  readonly metrics: () => { routesDropped(count: number): void };
  readonly clock: Clock;
  readonly logger: Logger;
}

interface Due {
  readonly tally: RouteTally;
  readonly routes: readonly Route[];
  readonly api: ApiName;
}

const reportEveryMs = 2_000;
const pauseAfterFailureMs = 60_000;
const apisAtOnce = 100;
const routesAtOnce = 2_000;

/**
 * Tells the control plane which routes APIs have, for those APIs that it wants observed. What an API had is forgotten as
 * soon as it is not wanted any more.
 */
export function createRouteReporter(deps: RouteReporterDeps): RouteReporter {
  const { tree, link, clock, logger } = deps;
  const tallies = new Map<string, RouteTally>();
  let pausedUntilMs = 0;

  /** `undefined`: not now. */
  function observed(key: string): { readonly api: ApiName; readonly words: ReadonlySet<string> } | "never" | undefined {
    const wanted = tree.wish(key);
    if (wanted === undefined) return "never";
    const { api, resolution } = wanted;
    if (resolution.resolved !== "complete") return resolution.resolved === "absent" ? "never" : undefined;
    const { routeWords } = resolution.facts;
    return routeWords === undefined ? "never" : { api, words: new Set(routeWords) };
  }

  function collectDue(nowMs: number): readonly Due[] {
    const due: Due[] = [];
    let count = 0;
    for (const [key, tally] of tallies) {
      const state = observed(key);
      if (state === "never") tallies.delete(key);
      if (state === "never" || state === undefined) continue;
      if (due.length >= apisAtOnce || count >= routesAtOnce) continue;
      const routes = tally.due(nowMs).filter(({ template }) => isRouteTemplate(template, state.words));
      if (routes.length === 0) continue;
      due.push({ tally, routes, api: state.api });
      count += routes.length;
    }
    return due;
  }

  async function report(): Promise<void> {
    const nowMs = clock.monotonicMs();
    const due = collectDue(nowMs);
    if (due.length === 0 || nowMs < pausedUntilMs || link.state.state !== "up") return;
    try {
      await deps.feed().reportRoutes(
        due.map(({ api: { environment, name, version }, routes }) => ({
          environment,
          name,
          version,
          routes: routes.map(({ method, template }) => ({ method, template })),
        })),
      );
    } catch (error) {
      pausedUntilMs = clock.monotonicMs() + pauseAfterFailureMs;
      logger.debug({ err: error }, "observed routes cannot be reported now");
      return;
    }
    for (const { tally, routes } of due) tally.reported(routes, nowMs);
  }

  const loop = createLoop({
    name: "observed-routes",
    clock,
    intervalMs: reportEveryMs,
    pass: report,
    onError: (error) => logger.error({ err: error }, "observed routes could not be looked at"),
  });
  return {
    ...loop,
    saw: ({ apis }) => {
      for (const { key, routes } of apis) {
        if (typeof observed(key) !== "object") continue;
        const tally = tallies.get(key) ?? new RouteTally();
        tallies.set(key, tally);
        const dropped = tally.add(routes, clock.monotonicMs());
        if (dropped > 0) deps.metrics().routesDropped(dropped);
      }
    },
  };
}
