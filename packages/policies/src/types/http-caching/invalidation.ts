import { createHash } from "node:crypto";
import type { Exchange, ResponseHead } from "../../pipeline/exchange.ts";
import type { PolicyServices } from "../../policy-services.ts";

/** Tells all threads of the gateway that stored responses of a path are no longer good. */
export interface Invalidation {
  /** Changes when a path, or everything, is invalidated. */
  mark(path: string): string;
  invalidate(path: string): void;
  invalidateEverything(): void;
}

/** Paths share marks, so that a policy needs few counters whatever paths are written to; sharing one costs a miss. */
const marks = 1024;
const unbounded = 2 ** 30;

/**
 * By counters that all threads share. A counter that was pushed out begins at 0 again, which differs from what was marked
 * unless nothing had ever been counted.
 */
export function createInvalidation(
  { counters, clock }: Pick<PolicyServices, "counters" | "clock">,
  { policyId, memoryMs }: { policyId: string; memoryMs: number },
): Invalidation {
  const counter = counters.counter(`${policyId}/invalidation`);
  const subjectOf = (path: string) => String(createHash("sha256").update(path).digest().readUInt32BE(0) % marks);
  const count = (subject: string) => counter.take(subject, 0, unbounded, clock.nowMs() + memoryMs);
  return {
    mark: (path) => `${counter.read("all", 0)}/${counter.read(subjectOf(path), 0)}`,
    invalidate: (path) => count(subjectOf(path)),
    invalidateEverything: () => count("all"),
  };
}

const safeMethods = new Set(["GET", "HEAD", "OPTIONS", "TRACE"]);

export function isUnsafe(method: string): boolean {
  return !safeMethods.has(method);
}

/** RFC 9111, section 4.4: what a response without error says about its own and named resources of the same origin. */
export function invalidatedPaths(exchange: Exchange, response: ResponseHead): readonly string[] {
  const base = `${exchange.isTls ? "https" : "http"}://${exchange.authority}${exchange.path}`;
  const origin = URL.parse(base)?.origin;
  const named = [response.header("location"), response.header("content-location")].flatMap((value) => {
    const url = value === undefined ? null : URL.parse(value, base);
    return url && url.origin === origin ? [url.pathname] : [];
  });
  return [exchange.path, ...named];
}
