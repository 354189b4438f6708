import type { ApiRoutes } from "@drawbridge/contracts/apis/v1/route";
import { DrawbridgeError } from "@drawbridge/errors";
import { routeMethods, routeTemplate } from "@drawbridge/policies";
import type { TunnelSession } from "../tunnel/tunnel-session.ts";
import { tunnelDown } from "./object-proxy.ts";

/** Routes that gateways observed, on their way through the tunnel. Nothing is kept. */
export interface RouteProxy {
  /**
   * Resolves when the control plane has them. Of a template only common words leave, unless the fabric's owner allows those
   * that operators choose: who may choose words could ask for names.
   * @throws DrawbridgeError `GATEWAY_REQUEST_INVALID` (invalid_argument) | `TUNNEL_DOWN` (unavailable) | what the control plane answers
   */
  report(apis: readonly ApiRoutes[], signal: AbortSignal): Promise<void>;
}

const apisAtOnce = 100;
const routesPerApi = 200;
const nameCharacters = 128;
const noOthers: ReadonlySet<string> = new Set();
/** Words and placeholders; which words may stand there is checked where they are known. */
const templatePattern = /^(?:\/|(?:\/(?:\{\}|[A-Za-z][A-Za-z0-9._-]{0,31})){1,12})$/;

export function createRouteProxy(options: {
  readonly session: () => Pick<TunnelSession, "reportRoutes"> | undefined;
  readonly chosenWords: "allowed" | "refused";
}): RouteProxy {
  return {
    report: async (apis, signal) => {
      if (apis.length === 0 || apis.length > apisAtOnce || !apis.every(isWellFormed)) throw invalid();
      const session = options.session();
      if (!session) throw tunnelDown();
      await session.reportRoutes(options.chosenWords === "allowed" ? apis : apis.map(withCommonWords), signal);
    },
  };
}

function withCommonWords(api: ApiRoutes): ApiRoutes {
  const routes = new Map<string, ApiRoutes["routes"][number]>();
  for (const { method, template: told } of api.routes) {
    const template = routeTemplate(told, noOthers);
    if (template !== undefined) routes.set(`${method} ${template}`, { method, template });
  }
  return { ...api, routes: [...routes.values()] };
}

function isWellFormed({ environment, name, version, routes }: ApiRoutes): boolean {
  return (
    [environment, name, version].every((text) => text !== "" && text.length <= nameCharacters) &&
    routes.length <= routesPerApi &&
    routes.every(({ method, template }) => routeMethods.has(method) && templatePattern.test(template))
  );
}

function invalid(): DrawbridgeError {
  return new DrawbridgeError({
    kind: "invalid_argument",
    code: "GATEWAY_REQUEST_INVALID",
    message: `a gateway tells routes of 1 to ${apisAtOnce} APIs, ${routesPerApi} each, as templates of words and "{}"`,
  });
}
