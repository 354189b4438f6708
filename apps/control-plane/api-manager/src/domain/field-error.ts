import { DrawbridgeError } from "@drawbridge/errors";
import { fieldDetail } from "@drawbridge/rpc";

/** What is wrong with a field of what was to be saved. */
export interface FieldProblem {
  /** Path: "configuration.limits[0].requests". */
  readonly field: string;
  /** Says how to mend it; no secrets. */
  readonly message: string;
}

const shown = 20;

/** The error of a save that was refused: nothing was changed. The first problem is in the message, for those who read no list. */
export function fieldError(code: string, problems: readonly FieldProblem[]): DrawbridgeError {
  const [first] = problems;
  return new DrawbridgeError({
    kind: "invalid_argument",
    code,
    message: first ? [first.field, first.message].filter(Boolean).join(": ") : "is not valid",
    details: Object.fromEntries(
      problems.slice(0, shown).map(({ field, message }) => [fieldDetail(field || "configuration"), message]),
    ),
  });
}
