import { allOf, sql, type ColumnarStore, type QueryParameters } from "@drawbridge/columnar";
import type { OwnKind } from "../domain/own-reading.ts";
import type { ShowRange } from "../domain/show-range.ts";

export interface OwnFilter {
  readonly environment: string;
  readonly app: string;
  readonly fabricIds: readonly string[];
  /** Empty: all. */
  readonly metric: string;
}

/** One step of one figure, of all replicas together. */
export interface OwnPoint {
  readonly fabricId: string;
  readonly metric: string;
  readonly kind: OwnKind;
  readonly method: string;
  readonly statusClass: string;
  readonly atMs: number;
  readonly value: number;
  readonly count: number;
}

export interface OwnQueries {
  /** By fabric, metric, method and class, in order. */
  points(filter: OwnFilter, range: ShowRange, signal: AbortSignal): Promise<readonly OwnPoint[]>;
}

export function createOwnQueries(store: Pick<ColumnarStore, "query">): OwnQueries {
  return {
    points: async ({ environment, app, fabricIds, metric }, { from, to, stepMs }, signal) => {
      const where = [
        sql`environment = {environment:String}`,
        sql`app = {app:String}`,
        sql`fabric_id IN {fabrics:Array(String)}`,
        sql`ts >= {from:DateTime64(3)}`,
        sql`ts < {to:DateTime64(3)}`,
      ];
      const parameters: Record<string, QueryParameters[string]> = {
        environment,
        app,
        fabrics: fabricIds,
        from,
        to,
        from_ms: from.getTime(),
        step_ms: stepMs,
      };
      if (metric !== "") {
        where.push(sql`metric = {metric:String}`);
        parameters["metric"] = metric;
      }
      // Replicas are added up: what they counted in a step, and of gauges what each had on average.
      const statement = sql`
        SELECT fabric_id, metric, kind, method, status_class, step, sum(of_replica) AS told, sum(observed) AS observed_by_all
        FROM (
          SELECT fabric_id, metric, kind, method, status_class, replica,
            intDiv(toUnixTimestamp64Milli(ts) - {from_ms:Int64}, {step_ms:Int64}) AS step,
            if(kind = 'gauge', avg(value), sum(value)) AS of_replica, sum(observations) AS observed
          FROM app_own_metrics WHERE ${allOf(where)}
          GROUP BY fabric_id, metric, kind, method, status_class, replica, step
        )
        GROUP BY fabric_id, metric, kind, method, status_class, step
        ORDER BY fabric_id, metric, kind, method, status_class, step`;
      const rows = await store.query({ sql: statement, parameters }, signal);
      return rows.map((row) => ({
        fabricId: String(row["fabric_id"]),
        metric: String(row["metric"]),
        kind: kindOf(row["kind"]),
        method: String(row["method"]),
        statusClass: String(row["status_class"]),
        atMs: from.getTime() + Number(row["step"]) * stepMs,
        value: Number(row["told"]),
        count: Number(row["observed_by_all"]),
      }));
    },
  };
}

function kindOf(value: unknown): OwnKind {
  return value === "gauge" || value === "distribution" ? value : "counter";
}
