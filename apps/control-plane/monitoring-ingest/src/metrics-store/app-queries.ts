import { allOf, sql, type ColumnarStore, type QueryParameters, type Row, type Sql } from "@drawbridge/columnar";
import type { MetricValues, ReplicaNow } from "../domain/app-series.ts";
import type { ShowRange } from "../domain/show-range.ts";

/** Which apps are asked for. */
export interface AppFilter {
  readonly environments: readonly string[];
  /** Empty: of all. */
  readonly fabricIds: readonly string[];
  /** Empty: all. */
  readonly app: string;
}

export interface AppKey {
  readonly environment: string;
  readonly app: string;
  readonly fabricId: string;
}

export type AppPoint = AppKey & MetricValues & { readonly replica: string };
export type AppNow = AppKey & ReplicaNow;

export interface AppQueries {
  /** Steps of each app, or of each of its replicas, in order. */
  points(
    filter: AppFilter,
    range: ShowRange & { readonly of: "apps" | "replicas" },
    signal: AbortSignal,
  ): Promise<readonly AppPoint[]>;
  /** The last sample of each replica that told something in the quarter of an hour before `at`. */
  latest(filter: AppFilter, at: Date, signal: AbortSignal): Promise<readonly AppNow[]>;
}

/** Three of the longest intervals between samples that a collector has. */
const latestWindowMs = 900_000;
/** A collector's clock may be so far ahead, and what it says last is still what is now. */
const aheadMs = 300_000;
/** Samples of one moment: what replicas use in the same minute is added up, and minutes are averaged. */
const momentMs = 60_000;
const rollUpMs = 300_000;

export function createAppQueries(store: Pick<ColumnarStore, "query">): AppQueries {
  return {
    points: async (filter, range, signal) => {
      const { where, parameters } = conditions(filter);
      const { from, to, stepMs, source } = range;
      const statement = pointsStatement(source === "samples" ? samples : rolledUp, {
        where: allOf([...where, sql`ts >= {from:DateTime64(3)}`, sql`ts < {to:DateTime64(3)}`]),
        replica: range.of === "replicas" ? sql`replica` : sql`''`,
      });
      const moment = source === "samples" ? Math.min(stepMs, momentMs) : rollUpMs;
      const bounds = { from, to, from_ms: from.getTime(), step_ms: stepMs, moment_ms: moment };
      const rows = await store.query({ sql: statement, parameters: { ...parameters, ...bounds } }, signal);
      return rows.map((row) => pointOf(row, range));
    },
    latest: async (filter, at, signal) => {
      const { where, parameters } = conditions(filter);
      const since = new Date(at.getTime() - latestWindowMs);
      const until = new Date(at.getTime() + aheadMs);
      const window = [sql`ts >= {since:DateTime64(3)}`, sql`ts <= {until:DateTime64(3)}`];
      const statement = latestStatement(allOf([...where, ...window]));
      const rows = await store.query({ sql: statement, parameters: { ...parameters, since, until } }, signal);
      return rows.map(nowOf);
    },
  };
}

function conditions({ environments, fabricIds, app }: AppFilter): {
  readonly where: readonly Sql[];
  readonly parameters: QueryParameters;
} {
  const where = [sql`environment IN {environments:Array(String)}`];
  const parameters: Record<string, QueryParameters[string]> = { environments };
  if (app !== "") {
    where.push(sql`app = {app:String}`);
    parameters["app"] = app;
  }
  if (fabricIds.length > 0) {
    where.push(sql`fabric_id IN {fabrics:Array(String)}`);
    parameters["fabrics"] = fabricIds;
  }
  return { where, parameters };
}

/** What the figures of one replica in one moment are called in each table. No alias is the name of a column. */
interface Source {
  readonly table: Sql;
  readonly figures: Sql;
}

const samples: Source = {
  table: sql`app_metrics`,
  figures: sql`
    avgIf(cpu_millicores, bitAnd(measured, 1) != 0) AS cpu, countIf(bitAnd(measured, 1) != 0) > 0 AS has_cpu,
    avgIf(memory_used, bitAnd(measured, 2) != 0) AS used, countIf(bitAnd(measured, 2) != 0) > 0 AS has_memory,
    max(ts) AS last_sample, sum(response_count) AS answered`,
};

const rolledUp: Source = {
  table: sql`app_metrics_5m`,
  figures: sql`
    sum(cpu_millicores_sum) / sum(cpu_samples) AS cpu, sum(cpu_samples) > 0 AS has_cpu,
    sum(memory_used_sum) / sum(memory_samples) AS used, sum(memory_samples) > 0 AS has_memory,
    max(last_ts) AS last_sample, sum(response_count) AS answered`,
};

/** Replicas of a moment are added up, and the moments of a step averaged: a replica that was there for a part counts as much. */
function pointsStatement({ table, figures }: Source, of: { readonly where: Sql; readonly replica: Sql }): Sql {
  return sql`
    SELECT environment, app, fabric_id, shown_replica, step,
      avgIf(cpu_of_all, any_cpu) AS cpu, max(any_cpu) AS is_cpu_known, avgIf(used_of_all, any_memory) AS memory_used,
      max(total_of_all) AS memory_total, toUnixTimestamp64Milli(max(last_of_all)) AS last_ms,
      sum(messages_of_all) AS messages, sum(response_ms_of_all) AS response_ms, sum(answered_of_all) AS responses,
      sum(errors_of_all) AS errors
    FROM (
      SELECT environment, app, fabric_id, ${of.replica} AS shown_replica, step, moment,
        sumIf(cpu, has_cpu) AS cpu_of_all, max(has_cpu) AS any_cpu,
        sumIf(used, has_memory) AS used_of_all, max(has_memory) AS any_memory,
        sum(total) AS total_of_all, max(last_sample) AS last_of_all, sum(requests) AS messages_of_all,
        sum(response_ms) AS response_ms_of_all, sum(answered) AS answered_of_all, sum(failed) AS errors_of_all
      FROM (
        SELECT environment, app, fabric_id, replica,
          intDiv(toUnixTimestamp64Milli(toDateTime64(ts, 3, 'UTC')) - {from_ms:Int64}, {step_ms:Int64}) AS step,
          intDiv(toUnixTimestamp64Milli(toDateTime64(ts, 3, 'UTC')) - {from_ms:Int64}, {moment_ms:Int64}) AS moment,
          max(memory_total) AS total, sum(messages) AS requests, sum(response_ms_sum) AS response_ms,
          sum(errors) AS failed, ${figures}
        FROM ${table} WHERE ${of.where}
        GROUP BY environment, app, fabric_id, replica, step, moment
      )
      GROUP BY environment, app, fabric_id, shown_replica, step, moment
    )
    GROUP BY environment, app, fabric_id, shown_replica, step
    ORDER BY environment, app, fabric_id, shown_replica, step`;
}

function latestStatement(where: Sql): Sql {
  return sql`
    SELECT environment, app, fabric_id, replica, toUnixTimestamp64Milli(max(ts)) AS last_ms,
      argMaxIf(cpu_millicores, ts, bitAnd(measured, 1) != 0) AS cpu, countIf(bitAnd(measured, 1) != 0) > 0 AS is_cpu_known,
      argMaxIf(memory_used, ts, bitAnd(measured, 2) != 0) AS last_used,
      argMaxIf(memory_total, ts, bitAnd(measured, 4) != 0) AS last_total,
      argMaxIf(messages, ts, bitAnd(measured, 8) != 0) AS last_messages,
      argMaxIf(response_ms_sum, ts, bitAnd(measured, 8) != 0) AS last_response_ms,
      argMaxIf(response_count, ts, bitAnd(measured, 8) != 0) AS last_responses,
      argMaxIf(errors, ts, bitAnd(measured, 8) != 0) AS last_errors,
      argMaxIf(interval_ms, ts, bitAnd(measured, 8) != 0) AS counted_ms, max(interval_ms) AS longest_interval_ms
    FROM app_metrics WHERE ${where}
    GROUP BY environment, app, fabric_id, replica
    ORDER BY environment, app, fabric_id, replica`;
}

function keyOf(row: Row): AppKey {
  return { environment: String(row["environment"]), app: String(row["app"]), fabricId: String(row["fabric_id"]) };
}

function cpuOf(row: Row): number | undefined {
  return Number(row["is_cpu_known"]) === 0 ? undefined : Number(row["cpu"]);
}

/** A step that is not over was counted until the last sample in it. */
function pointOf(row: Row, { from, to, stepMs }: ShowRange): AppPoint {
  const atMs = from.getTime() + Number(row["step"]) * stepMs;
  const isOver = atMs + stepMs <= to.getTime();
  return {
    ...keyOf(row),
    replica: String(row["shown_replica"]),
    atMs,
    cpuMillicores: cpuOf(row),
    // NaN of nothing comes as null.
    memoryUsed: Math.round(Number(row["memory_used"] ?? 0)),
    memoryTotal: Number(row["memory_total"]),
    messages: Number(row["messages"]),
    responseMsSum: Number(row["response_ms"]),
    responseCount: Number(row["responses"]),
    errors: Number(row["errors"]),
    countedMs: isOver ? stepMs : Math.max(1_000, Number(row["last_ms"]) - atMs),
  };
}

function nowOf(row: Row): AppNow {
  return {
    ...keyOf(row),
    replica: String(row["replica"]),
    atMs: Number(row["last_ms"]),
    cpuMillicores: cpuOf(row),
    memoryUsed: Number(row["last_used"]),
    memoryTotal: Number(row["last_total"]),
    messages: Number(row["last_messages"]),
    responseMsSum: Number(row["last_response_ms"]),
    responseCount: Number(row["last_responses"]),
    errors: Number(row["last_errors"]),
    countedMs: Number(row["counted_ms"]),
    intervalMs: Number(row["longest_interval_ms"]),
  };
}
