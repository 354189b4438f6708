import { bundleRoots, type AuthorityState } from "./ca-key.ts";

/** The trust bundle gets a higher number, signed by this root; its roots stay. */
export interface RaiseStep {
  readonly step: "raise_sequence";
  readonly to: bigint;
  readonly signerId: string;
}

/**
 * After a restore of the database: followers have seen higher numbers of the trust bundle than the record knows, and would
 * refuse every change from now on. The new number is signed by a root that they had in their last bundle.
 * Nothing is raised while the record lacks one of those roots: it is behind, and hands out no bundle (docs/adr/0007).
 */
export function planRaise(
  state: AuthorityState,
  seen: { readonly sequence: bigint; readonly rootPins: readonly string[] },
): RaiseStep | undefined {
  if (state.sequence >= seen.sequence) return undefined;
  const roots = bundleRoots(state);
  const known = new Set(state.keys.filter(({ kind }) => kind === "root").map(({ spkiPin }) => spkiPin));
  if (!seen.rootPins.every((pin) => known.has(pin))) return undefined;
  const isActive = ({ state: is }: (typeof roots)[number]): boolean => is === "active";
  const believed = roots.filter(({ spkiPin }) => seen.rootPins.includes(spkiPin));
  const signer = believed.find(isActive) ?? believed[0] ?? roots.find(isActive);
  return signer && { step: "raise_sequence", to: seen.sequence + 1n, signerId: signer.id };
}
