import { isDrawbridgeError } from "@drawbridge/errors";
import type { PeerName } from "../clients/peer.ts";
import type { UnknownPart } from "./schemas/fabric.ts";

/** A part of a page is not waited for longer than this: the rest is worth more now. */
export const partTimeoutMs = 3_000;

/** One part of an answer that comes from another service. */
export type Part<T> =
  | { readonly outcome: "known"; readonly value: T }
  | { readonly outcome: "unknown"; readonly why: UnknownPart };

/**
 * Ask a peer for a part of a page. If it cannot answer, the page is shown without the part and says so; the client's own
 * end, and what is our mistake, are thrown.
 */
export async function askPart<T>(
  asked: { readonly part: UnknownPart["part"]; readonly service: PeerName; readonly signal: AbortSignal },
  ask: (options: { signal: AbortSignal; timeoutMs: number; idempotent: true }) => Promise<T>,
): Promise<Part<T>> {
  const { part, service, signal } = asked;
  try {
    return { outcome: "known", value: await ask({ signal, timeoutMs: partTimeoutMs, idempotent: true }) };
  } catch (error) {
    signal.throwIfAborted();
    if (!isDrawbridgeError(error)) throw error;
    return { outcome: "unknown", why: { part, service, code: error.code, message: error.message } };
  }
}

/** The value, or what stands for it where it is not known. */
export function knownOr<T, F>(part: Part<T>, fallback: F): T | F {
  return part.outcome === "known" ? part.value : fallback;
}

export function unknownPartsOf(parts: readonly Part<unknown>[]): UnknownPart[] {
  return parts.flatMap((part) => (part.outcome === "unknown" ? [part.why] : []));
}
