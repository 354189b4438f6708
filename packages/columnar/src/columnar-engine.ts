import type { Component, HealthCheck } from "@drawbridge/lifecycle";
import type { DdlDialect } from "./migrations/fill-ddl.ts";
import type { Statement } from "./statement.ts";

export type StreamFormat = "CSVWithNames" | "JSONEachRow" | "Parquet";

/** A block in a file of our own, on its way into a table. */
export interface InsertFile {
  readonly table: string;
  readonly path: string;
  readonly token: string;
}

/** What both engines do with statements that stand in our own source. All reject with DrawbridgeErrors. */
export interface ColumnarEngine extends Component {
  readonly dialect: DdlDialect;
  readonly health: HealthCheck;
  /** DDL and other statements without an answer. */
  command(statement: Statement, signal?: AbortSignal): Promise<void>;
  insertFile(file: InsertFile): Promise<void>;
  /** The answer as JSONCompact. */
  query(statement: Statement, signal?: AbortSignal): Promise<string>;
  stream(statement: Statement, format: StreamFormat, signal?: AbortSignal): AsyncIterable<Uint8Array>;
  /** Where `system.parts` of all rows is to be read. */
  readonly partsTable: string;
}
