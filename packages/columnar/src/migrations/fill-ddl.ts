import { invalid } from "../columnar-errors.ts";
import { isPlainName, quoteString } from "../literals.ts";

/** What the same DDL is written for: one engine, or the named cluster of a ClickHouse installation. */
export type DdlDialect =
  | { readonly kind: "single" }
  | { readonly kind: "cluster"; readonly cluster: string; readonly database: string };

/** `{shard}` and `{replica}` are macros of each server; `{uuid}` is the table's own, so that a table may be made anew. */
const replicaPath = "'/clickhouse/tables/{uuid}/{shard}', '{replica}'";

/**
 * A DDL statement with its placeholders filled. `undefined` when it is not for this dialect. Placeholders:
 *
 * - `${on_cluster}`: behind the name of what is created, altered or dropped
 * - `${local:events}`: the table that holds the rows; behind it on a cluster stands the distributed table `events`
 * - `${engine:MergeTree}`, `${engine:AggregatingMergeTree}`, …: replicated on a cluster
 * - `${dedup_window:10000}`: the setting for how many tokens of inserts a table remembers
 * - `${distributed:events:rand()}`: the whole statement; creates `events` over `events_local`, sharded by the expression
 *
 * @throws DrawbridgeError `COLUMNAR_MIGRATION_INVALID` for an unknown placeholder
 */
export function fillDdl(template: string, dialect: DdlDialect): string | undefined {
  const distributed = /^\s*\$\{distributed:([^:}]*):([^}]*)\}\s*$/.exec(template);
  if (distributed !== null) {
    const [, table = "", shardingKey = ""] = distributed;
    return dialect.kind === "single" ? undefined : distributedTable(plainName(table), shardingKey, dialect);
  }
  return template.replaceAll(/\$\{([^}]*)\}/g, (_placeholder, inside: string) => fillPlaceholder(inside, dialect));
}

/** The table that holds the rows of `table`. */
export function localTable(table: string, dialect: DdlDialect): string {
  return dialect.kind === "single" ? table : `${table}_local`;
}

export function onCluster(dialect: DdlDialect): string {
  return dialect.kind === "single" ? "" : `ON CLUSTER ${quoteString(dialect.cluster)}`;
}

function fillPlaceholder(inside: string, dialect: DdlDialect): string {
  const [name = "", argument = ""] = inside.split(":");
  switch (name) {
    case "on_cluster":
      return onCluster(dialect);
    case "local":
      return localTable(plainName(argument), dialect);
    case "engine":
      return dialect.kind === "single" ? plainName(argument) : `Replicated${plainName(argument)}(${replicaPath})`;
    case "dedup_window":
      if (!/^\d+$/.test(argument)) throw invalid("COLUMNAR_MIGRATION_INVALID", `\${${inside}}: a number is missing`);
      return dialect.kind === "single"
        ? `non_replicated_deduplication_window = ${argument}`
        : `replicated_deduplication_window = ${argument}`;
    default:
      throw invalid("COLUMNAR_MIGRATION_INVALID", `\${${inside}} is no placeholder of a migration`);
  }
}

function distributedTable(
  table: string,
  shardingKey: string,
  dialect: Extract<DdlDialect, { kind: "cluster" }>,
): string {
  const { cluster, database } = dialect;
  const place = [cluster, database, localTable(table, dialect)].map(quoteString).join(", ");
  return (
    `CREATE TABLE IF NOT EXISTS ${table} ${onCluster(dialect)} AS ${localTable(table, dialect)} ` +
    `ENGINE = Distributed(${place}, ${shardingKey})`
  );
}

function plainName(name: string): string {
  if (isPlainName(name)) return name;
  throw invalid("COLUMNAR_MIGRATION_INVALID", `"${name}" is no name: use letters, digits and "_"`);
}
