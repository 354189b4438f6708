import { routeMethods, routeTemplate } from "@drawbridge/policies";
import type { SeenRoute } from "../workers/protocol.ts";

/** Requests of one API that are looked at between two `take`: a second. More tell nothing new. */
const looksAtOnce = 32;
const mostTemplates = 64;
/** What an app also answers for paths that it does not have. */
const untellingStatuses: ReadonlySet<number> = new Set([401, 403, 404, 405, 410, 429, 431]);

/**
 * What the requests of one API had in common, in one thread. Of a path only its template is kept: the path itself goes
 * nowhere, also not to the gateway's other threads.
 */
export class RouteSightings {
  readonly #words: ReadonlySet<string>;
  #counts = new Map<string, number>();
  #left = looksAtOnce;

  constructor(words: Iterable<string>) {
    this.#words = new Set(words);
  }

  /** The app answered a request. */
  see(method: string, path: string, status: number): void {
    if (this.#left === 0 || status < 200 || status >= 500 || untellingStatuses.has(status)) return;
    if (!routeMethods.has(method)) return;
    this.#left -= 1;
    const template = routeTemplate(path, this.#words);
    if (template === undefined) return;
    const route = `${method} ${template}`;
    const count = this.#counts.get(route);
    if (count !== undefined || this.#counts.size < mostTemplates) this.#counts.set(route, (count ?? 0) + 1);
  }

  take(): readonly SeenRoute[] {
    this.#left = looksAtOnce;
    if (this.#counts.size === 0) return [];
    const counts = this.#counts;
    this.#counts = new Map();
    return [...counts].map(([route, count]) => {
      const space = route.indexOf(" ");
      return { method: route.slice(0, space), template: route.slice(space + 1), count };
    });
  }
}
