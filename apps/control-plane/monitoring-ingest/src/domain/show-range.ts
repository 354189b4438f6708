import { DrawbridgeError } from "@drawbridge/errors";

/** What is asked for, as steps. */
export interface ShowRange {
  readonly from: Date;
  readonly to: Date;
  readonly stepMs: number;
  /** Every sample, or what is left of five minutes of them. */
  readonly source: "samples" | "roll-up";
}

const hourMs = 3_600_000;
const dayMs = 86_400_000;
const rollUpMs = 300_000;
const narrowestMs = 10_000;
const widestMs = dayMs;
const maxPoints = 1_500;
const keptMs = { samples: 30 * dayMs, "roll-up": 400 * dayMs } as const;

/**
 * The steps of a question: an hour in sixty unless it says otherwise. Steps of five minutes and more come from the roll-up
 * and begin with its buckets; narrower ones begin at `from`, so that all but the last are whole.
 * @throws DrawbridgeError `MONITORING_QUERY_INVALID` (invalid_argument) that names the field
 */
export function showRange(
  asked: { readonly from: Date | undefined; readonly to: Date | undefined; readonly stepSeconds: number },
  now: Date,
): ShowRange {
  const to = asked.to ?? now;
  const from = asked.from ?? new Date(to.getTime() - hourMs);
  if (from >= to) throw invalid("from", "must be before the end");
  const stepMs = asked.stepSeconds === 0 ? fittingStepMs(to.getTime() - from.getTime()) : asked.stepSeconds * 1_000;
  if (stepMs < narrowestMs || stepMs > widestMs) throw invalid("step", "must be 10 to 86,400 seconds");
  const source = stepMs < rollUpMs ? "samples" : "roll-up";
  if (source === "roll-up" && stepMs % rollUpMs !== 0)
    throw invalid("step", "must be a multiple of 300 seconds from 300 on");
  if (now.getTime() - from.getTime() > keptMs[source]) {
    throw invalid(
      "from",
      source === "samples"
        ? "goes back more than 30 days; take steps of 300 seconds or more"
        : "goes back more than 13 months",
    );
  }
  if ((to.getTime() - from.getTime()) / stepMs > maxPoints)
    throw invalid("step", `must be wider: at most ${maxPoints} points`);
  const alignMs = source === "samples" ? 1 : rollUpMs;
  return { from: new Date(Math.floor(from.getTime() / alignMs) * alignMs), to, stepMs, source };
}

/** A sixtieth, and whole buckets where it comes from those. */
function fittingStepMs(lengthMs: number): number {
  const sixtiethMs = Math.max(narrowestMs, Math.ceil(lengthMs / 60 / 1_000) * 1_000);
  if (sixtiethMs < rollUpMs) return sixtiethMs;
  return Math.min(Math.ceil(sixtiethMs / rollUpMs) * rollUpMs, Math.max(widestMs, rollUpMs));
}

function invalid(field: string, what: string): DrawbridgeError {
  return new DrawbridgeError({
    kind: "invalid_argument",
    code: "MONITORING_QUERY_INVALID",
    message: `the question cannot be answered: ${field} ${what}`,
    details: { [`field:${field}`]: what },
  });
}
