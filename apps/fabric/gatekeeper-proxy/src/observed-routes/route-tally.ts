import { routePlaceholder } from "@drawbridge/policies";
import type { SeenRoute } from "../workers/protocol.ts";

export interface Route {
  readonly method: string;
  readonly template: string;
}

interface Entry extends Route {
  count: number;
  seenMs: number;
  reportedMs: number | undefined;
}

/** Seen less often, a template stays here: an odd path never leaves. */
const fewestSightings = 20;
const mostRoutes = 200;
/** More words at one place are values, not names of resources. */
const mostWordsAtPlace = 20;
const mostCrowdedPlaces = 200;
/** What was told and is still seen is told again after so long, so that it is known to be in use. */
const repeatAfterMs = 15 * 60_000;

/*
 * Routes of one API, of all threads together.
 *
 * Invariants: at most `mostRoutes`; where a template stands for many words at one place it has a placeholder there; what is
 * due was seen `fewestSightings` times since this process started to observe the API.
 */
export class RouteTally {
  #entries = new Map<string, Entry>();
  /** Beginnings of templates after which words are values. */
  readonly #crowded = new Set<string>();

  /** @returns how many routes were dropped for want of room */
  add(seen: readonly SeenRoute[], nowMs: number): number {
    let dropped = 0;
    for (const { method, template, count } of seen) {
      const isNew = this.#count({ method, template: this.#withoutValues(template), count, seenMs: nowMs });
      if (!isNew) continue;
      while (this.#findCrowds()) this.#mergeAll();
      if (this.#entries.size > mostRoutes) {
        this.#dropOne();
        dropped += 1;
      }
    }
    return dropped;
  }

  /** What should be told now. */
  due(nowMs: number): readonly Route[] {
    return [...this.#entries.values()]
      .filter(
        ({ count, seenMs, reportedMs }) =>
          count >= fewestSightings &&
          (reportedMs === undefined || (seenMs > reportedMs && nowMs - reportedMs >= repeatAfterMs)),
      )
      .map(({ method, template }) => ({ method, template }));
  }

  reported(routes: readonly Route[], nowMs: number): void {
    for (const route of routes) {
      const entry = this.#entries.get(keyOf(route));
      if (entry !== undefined) entry.reportedMs = nowMs;
    }
  }

  #count({ method, template, count, seenMs }: Route & { count: number; seenMs: number }): boolean {
    const key = keyOf({ method, template });
    const entry = this.#entries.get(key);
    if (entry === undefined) {
      this.#entries.set(key, { method, template, count, seenMs, reportedMs: undefined });
      return true;
    }
    entry.count += count;
    entry.seenMs = Math.max(entry.seenMs, seenMs);
    return false;
  }

  #withoutValues(template: string): string {
    if (this.#crowded.size === 0) return template;
    let beginning = "";
    for (const segment of template.slice(1).split("/")) {
      beginning += `/${this.#crowded.has(beginning) && segment !== "" ? routePlaceholder : segment}`;
    }
    return beginning;
  }

  #findCrowds(): boolean {
    const words = new Map<string, Set<string>>();
    let isFound = false;
    for (const { template } of this.#entries.values()) {
      let beginning = "";
      for (const segment of template.slice(1).split("/")) {
        if (segment !== routePlaceholder) {
          const here = words.get(beginning) ?? new Set();
          words.set(beginning, here.add(segment));
          if (here.size > mostWordsAtPlace && !this.#crowded.has(beginning)) {
            this.#crowded.add(beginning);
            isFound = true;
          }
        }
        beginning += `/${segment}`;
      }
    }
    for (const place of this.#crowded) {
      if (this.#crowded.size <= mostCrowdedPlaces) break;
      this.#crowded.delete(place);
    }
    return isFound;
  }

  #mergeAll(): void {
    const before = this.#entries;
    this.#entries = new Map();
    for (const { method, template, count, seenMs } of before.values()) {
      this.#count({ method, template: this.#withoutValues(template), count, seenMs });
    }
  }

  /** The rarest; of several the one seen longest ago. */
  #dropOne(): void {
    let rarest: Entry | undefined;
    for (const entry of this.#entries.values()) {
      const isRarer =
        rarest === undefined ||
        entry.count < rarest.count ||
        (entry.count === rarest.count && entry.seenMs < rarest.seenMs);
      if (isRarer) rarest = entry;
    }
    if (rarest !== undefined) this.#entries.delete(keyOf(rarest));
  }
}

function keyOf({ method, template }: Route): string {
  return `${method} ${template}`;
}
