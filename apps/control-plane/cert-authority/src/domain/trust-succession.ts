import { DrawbridgeError } from "@drawbridge/errors";

/** A change of the trust bundle, signed by a root of the bundle before it. */
export interface SuccessionLink {
  /** Of the bundle that it says. */
  readonly sequence: bigint;
  /** SHA-256 of the signing root's public key, base64url. */
  readonly signerPin: string;
  /** Of the roots that it says. */
  readonly rootPins: readonly string[];
  readonly jws: string;
}

/**
 * The shortest way from the roots that a party trusts to the current ones: each link is signed by a root that the party
 * or the link before knows. Nothing if its roots are the current ones.
 * @throws DrawbridgeError `TRUST_SUCCESSION_UNKNOWN` (not_found): it trusts no root that was ever one of ours
 */
export function findSuccession(
  links: readonly SuccessionLink[],
  options: { readonly trusted: readonly string[]; readonly current: readonly string[] },
): readonly SuccessionLink[] {
  if (isSameSet(options.trusted, options.current)) return [];
  const way: SuccessionLink[] = [];
  let known: readonly string[] = options.trusted;
  // Each bundle is signed by a root of the one before, so the newest link that a known root signed is never a dead end.
  for (let from = 0; from < links.length;) {
    const index = links.findLastIndex((link, position) => position >= from && known.includes(link.signerPin));
    const link = links[index];
    if (!link) break;
    way.push(link);
    known = link.rootPins;
    from = index + 1;
  }
  if (isSameSet(known, options.current) && way.length > 0) return way;
  throw new DrawbridgeError({
    kind: "not_found",
    code: "TRUST_SUCCESSION_UNKNOWN",
    message: "none of these roots was ever one of this control plane's: activate again",
  });
}

function isSameSet(left: readonly string[], right: readonly string[]): boolean {
  const [leftSet, rightSet] = [new Set(left), new Set(right)];
  return leftSet.size === rightSet.size && [...leftSet].every((pin) => rightSet.has(pin));
}
