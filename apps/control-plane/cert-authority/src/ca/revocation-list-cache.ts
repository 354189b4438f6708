import type { Clock } from "@drawbridge/lifecycle";
import { createRevocationList } from "@drawbridge/pki";
import type { RevocationRepository } from "../store/revocation-repository.ts";
import type { Authority } from "./authority.ts";

export interface RevocationListCacheDeps {
  readonly authority: Pick<Authority, "get">;
  readonly revocations: Pick<RevocationRepository, "revokedBy" | "nextCrlNumber">;
  readonly clock: Clock;
}

/** A new revocation is in the list after this at the latest. The event reaches our own services sooner. */
const freshForMs = 5_000;
/** Clients may use a list for a day, should this service be away. */
const validForMs = 86_400_000;

/** The current revocation list, DER: made on demand, at most once in five seconds however many ask. */
export function createRevocationListCache(deps: RevocationListCacheDeps): () => Promise<Uint8Array> {
  let current: { readonly list: Promise<Uint8Array>; readonly madeAtMs: number } | undefined;

  async function make(): Promise<Uint8Array> {
    const { issuing } = deps.authority.get();
    const thisUpdate = deps.clock.now();
    return createRevocationList({
      issuer: issuing,
      number: await deps.revocations.nextCrlNumber(),
      revoked: await deps.revocations.revokedBy(issuing.id, thisUpdate),
      thisUpdate,
      nextUpdate: new Date(thisUpdate.getTime() + validForMs),
    });
  }

  return async () => {
    const nowMs = deps.clock.monotonicMs();
    if (current && nowMs - current.madeAtMs < freshForMs) return current.list;
    const made = { list: make(), madeAtMs: nowMs };
    current = made;
    made.list.catch(() => {
      if (current === made) current = undefined; // a failure is not kept
    });
    return made.list;
  };
}
