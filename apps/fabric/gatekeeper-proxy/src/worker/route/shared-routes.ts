import type { SharedRoute } from "../../workers/protocol.ts";
import { createHostTable, hostName } from "./host-table.ts";

/** Id of the app that has a host and path; `path` is in the form that is judged and sent upstream. */
export type FindShared = (host: string, path: string) => string | undefined;

/**
 * A shared listener's routes: the most specific name that fits the host, and of its paths the longest that is the path or a
 * part of it that ends before a slash. Who has a name has all of it: what its paths leave open is not looked up under a
 * wildcard, so that no other app answers in its name.
 */
export function createSharedRoutes(routes: readonly SharedRoute[]): FindShared {
  const byHost = Map.groupBy(routes, ({ host }) => host);
  const find = createHostTable([...byHost].map(([host, ofHost]) => [host, createPrefixTable(ofHost)] as const));
  return (host, path) => find(hostName(host))?.(path);
}

function createPrefixTable(routes: readonly SharedRoute[]): (path: string) => string | undefined {
  const apps = new Map(routes.map(({ pathPrefix, appId }) => [pathPrefix, appId]));
  const root = apps.get("/");
  const longest = Math.max(...routes.map(({ pathPrefix }) => pathPrefix.length));
  return (path) => {
    if (longest === 1) return root;
    for (let end = path.length; end > 0; end = path.lastIndexOf("/", end - 1)) {
      if (end > longest) continue;
      const appId = apps.get(path.slice(0, end));
      if (appId !== undefined) return appId;
    }
    return root;
  };
}
