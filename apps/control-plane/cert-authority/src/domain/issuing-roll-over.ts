import { issuingRootOf, issuingUnder, requireKey, type AuthorityState, type CaKey } from "./ca-key.ts";

/** What has to be done for the issuing CAs now. */
export type IssuingStep =
  /** Make a prepared issuing CA under a root; one that was prepared before and is too old is replaced. */
  | { readonly step: "make_issuing"; readonly rootId: string; readonly replaces: string | undefined }
  /** The prepared one issues from now on. */
  | { readonly step: "activate_issuing"; readonly id: string; readonly replaces: string | undefined }
  /** Its certificate has run out, and with it everything under it. */
  | { readonly step: "retire_issuing"; readonly id: string };

/** Half of the life: the successor is made (design R8). */
export function prepareAt(key: Pick<CaKey, "notBefore" | "notAfter">): Date {
  return partOfLife(key, 1 / 2);
}

/** Five sixths of the life: the successor issues; a leaf lives for a sixth at most, so none is cut short (design R8). */
export function activateAt(key: Pick<CaKey, "notBefore" | "notAfter">): Date {
  return partOfLife(key, 5 / 6);
}

export interface RollOverTime {
  readonly now: Date;
  /** What ended before this has ended, even if one clock is wrong: then a private key may be destroyed. */
  readonly past: Date;
}

/**
 * The next step, or nothing. Each is a transaction of its own; whoever was killed in between finds the next one here.
 * A root that waits for its turn (phase init) has a prepared issuing CA that is never more than half spent.
 */
export function planIssuing(state: AuthorityState, { now, past }: RollOverTime): IssuingStep | undefined {
  const issuing = new Set([issuingRootOf(state, "service"), issuingRootOf(state, "fabric")]);
  for (const rootId of issuing) {
    const step = planForIssuingRoot(state.keys, rootId, now);
    if (step) return step;
  }
  const { rotation, keys } = state;
  if (rotation.phase === "init") {
    const prepared = issuingUnder(keys, rotation.newRootId, "prepared");
    if (!prepared || now >= prepareAt(prepared) || !isValidFrom(prepared, now)) {
      return { step: "make_issuing", rootId: rotation.newRootId, replaces: prepared?.id };
    }
  }
  const spent = keys.find(
    ({ kind, state: use, notAfter }) => kind === "issuing" && (use === "old" || use === "prepared") && past >= notAfter,
  );
  return spent && { step: "retire_issuing", id: spent.id };
}

/** Made while a clock was ahead, it is not valid yet: nobody would accept what it issues. */
export function isValidFrom({ notBefore }: Pick<CaKey, "notBefore">, now: Date): boolean {
  return notBefore <= now;
}

function planForIssuingRoot(keys: readonly CaKey[], rootId: string, now: Date): IssuingStep | undefined {
  const issuing = issuingUnder(keys, rootId, "active");
  const active = issuing && isValidFrom(issuing, now) ? issuing : undefined;
  const prepared = issuingUnder(keys, rootId, "prepared");
  if (active && now < prepareAt(active)) return undefined;
  // Near the end of the root a successor would live no longer, and its own successor neither.
  const root = requireKey(keys, ({ id }) => id === rootId);
  if (active && active.notAfter >= root.notAfter) return undefined;
  // Longer without a loop than a successor lives for: it would have to be replaced at once.
  if (!prepared || now >= activateAt(prepared) || !isValidFrom(prepared, now)) {
    return { step: "make_issuing", rootId, replaces: prepared?.id };
  }
  if (active && now < activateAt(active)) return undefined;
  return { step: "activate_issuing", id: prepared.id, replaces: issuing?.id };
}

function partOfLife({ notBefore, notAfter }: Pick<CaKey, "notBefore" | "notAfter">, part: number): Date {
  return new Date(notBefore.getTime() + (notAfter.getTime() - notBefore.getTime()) * part);
}
