import { fieldError, type FieldProblem } from "./field-error.ts";
import { labelProblems, limits, textProblems } from "./limits.ts";

const day = 86_400_000n;
/** What a gateway counts exactly. */
const mostRequests = 1_000_000_000n;

/** @throws DrawbridgeError `TIER_INVALID` (invalid_argument), with fields */
export function assertTier(tier: {
  readonly name: string;
  readonly description: string;
  readonly limits: readonly { readonly requests: bigint; readonly periodMs: bigint }[];
}): void {
  const problems: FieldProblem[] = [
    ...labelProblems("name", tier.name),
    ...textProblems("description", tier.description, { atMost: 500 }),
  ];
  if (tier.limits.length < 1 || tier.limits.length > limits.limitsPerTier) {
    problems.push({ field: "limits", message: `must be 1 to ${limits.limitsPerTier}` });
  }
  const periods = new Set<bigint>();
  for (const [index, { requests, periodMs }] of tier.limits.entries()) {
    if (requests < 1n || requests > mostRequests) {
      problems.push({ field: `limits[${index}].requests`, message: `must be 1 to ${mostRequests}` });
    }
    if (periodMs < 1_000n || periodMs > 366n * day) {
      problems.push({ field: `limits[${index}].periodMs`, message: "must be 1000 (a second) to 31622400000 (a year)" });
    }
    if (periods.has(periodMs)) {
      problems.push({ field: `limits[${index}].periodMs`, message: "is there twice: one of the limits never counts" });
    }
    periods.add(periodMs);
  }
  if (problems.length > 0) throw fieldError("TIER_INVALID", problems);
}
