/**
 * With which certificate to dial. A renewed one that was not used yet goes first; as long as neither works they take turns, because
 * only the control plane knows which one it has already been told of.
 */
export interface IdentityChoice {
  next(): "current" | "candidate";
  last(): "current" | "candidate";
  /** Begin with the candidate again. */
  reset(): void;
}

export function createIdentityChoice(hasCandidate: () => boolean): IdentityChoice {
  let wasCandidate = false;
  return {
    next() {
      wasCandidate = hasCandidate() && !wasCandidate;
      return wasCandidate ? "candidate" : "current";
    },
    last: () => (wasCandidate ? "candidate" : "current"),
    reset: () => void (wasCandidate = false),
  };
}
