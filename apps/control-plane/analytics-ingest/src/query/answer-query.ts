import type { ColumnarStore } from "@drawbridge/columnar";
import type { QueryResponse, QueryRow } from "@drawbridge/contracts/analytics/v1/analytics_service";
import type { Clock } from "@drawbridge/lifecycle";
import { daysOfRollUps } from "../write/keep-for.ts";
import { buildQuery, type Question } from "./build-query.ts";
import { missingRequests } from "./missing-requests.ts";
import { questionLimits } from "./query-limits.ts";
import { numberOf, textOf } from "./rows.ts";

export interface AnswerDeps {
  readonly store: Pick<ColumnarStore, "query">;
  readonly clock: Pick<Clock, "now">;
  /** Of single requests. */
  readonly retentionDays: number;
}

const dayMs = 86_400_000;

/** Figures, since when they are kept, what is known to be missing in them, and where they come from. */
export async function answerQuery(
  { store, clock, retentionDays }: AnswerDeps,
  question: Question,
  signal: AbortSignal,
): Promise<QueryResponse> {
  const { begins, groupBy, measures, limit, selection } = question;
  const { sql, parameters, source } = buildQuery(question);
  const [rows, missing] = await Promise.all([
    store.query({ sql, parameters, limits: questionLimits }, signal),
    missingRequests(store, selection, signal),
  ]);
  const first = rows[0];
  const keptDays = source === "requests" ? retentionDays : daysOfRollUps(retentionDays);
  return {
    rows: rows.map((row): QueryRow => ({
      bucket: begins.length === 0 ? undefined : new Date(numberOf(row, "bucket") * 1_000),
      group: groupBy.map((_, index) => textOf(row, `group${index}`)),
      values: measures.map((_, index) => numberOf(row, `value${index}`)),
    })),
    isCut: groupBy.length > 0 && first !== undefined && numberOf(first, "all_groups") > limit,
    missingRequests: missing,
    source,
    buckets: begins.map((begin) => new Date(begin)),
    keptSince: new Date(clock.now().getTime() - keptDays * dayMs),
  };
}
