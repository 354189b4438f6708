import { sql } from "kysely";

/**
 * SQL for an agent's new observed generation: it never falls within an epoch, and a number above what is desired is from
 * before the record was restored and says nothing. Needs `agent` and `fabric` in scope; `reported` is a column's name.
 */
export function observedGeneration(reported: "report.observed_generation") {
  return sql<string>`CASE WHEN ${sql.ref(reported)} <= fabric.desired_generation
    THEN GREATEST(agent.observed_generation, ${sql.ref(reported)}) ELSE agent.observed_generation END`;
}
