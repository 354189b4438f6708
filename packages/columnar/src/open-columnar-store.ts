import { lstat } from "node:fs/promises";
import { basename, isAbsolute, resolve } from "node:path";
import { DrawbridgeError } from "@drawbridge/errors";
import type { Clock, Component, HealthCheck, Random } from "@drawbridge/lifecycle";
import { createAdmission, type Admission } from "./admission.ts";
import { createClusterEngine, type ClusterEngineOptions } from "./cluster/cluster-engine.ts";
import type { ColumnarEngine, InsertFile, StreamFormat } from "./columnar-engine.ts";
import { invalid } from "./columnar-errors.ts";
import type { ColumnarLogger } from "./columnar-logger.ts";
import { backUp, restore } from "./embedded/backup.ts";
import { createEmbeddedEngine, type EmbeddedEngine, type EmbeddedEngineOptions } from "./embedded/embedded-engine.ts";
import { invalidParameter, isPlainName, parameterText, quoteString, type QueryParameters } from "./literals.ts";
import { localTable, onCluster } from "./migrations/fill-ddl.ts";
import { migrate } from "./migrations/migrate.ts";
import type { ColumnarMigration } from "./migrations/plan-migrations.ts";
import { queryLimits, streamLimits, type QueryLimits } from "./query-limits.ts";
import { setRetention } from "./retention.ts";
import { rowsFromJsonCompact, type Row, type WideIntegers } from "./rows.ts";
import { sqlText, type Sql } from "./sql.ts";
import { readTableStats, type TableStats } from "./table-stats.ts";

export interface OpenColumnarStoreOptions {
  readonly engine: EmbeddedEngineOptions | ClusterEngineOptions;
  readonly logger: ColumnarLogger;
  /** Queries at the same time, at most 10; default 4. Exports have places of their own: two. */
  readonly maxConcurrentQueries?: number;
  /** Queries that may wait for a place; default 32. */
  readonly maxWaitingQueries?: number;
  readonly clock?: Clock;
  readonly random?: Random;
}

export interface ColumnarQuery {
  readonly sql: Sql;
  /** Values for the `{name:Type}` of the query; all of them and no others. */
  readonly parameters?: QueryParameters;
  readonly limits?: Partial<QueryLimits>;
}

export interface ColumnarStore extends Component {
  readonly health: HealthCheck;
  /** @throws DrawbridgeError `COLUMNAR_MIGRATION_INVALID` | `COLUMNAR_MIGRATION_CHANGED` | `COLUMNAR_MIGRATION_UNKNOWN` */
  migrate(migrations: readonly ColumnarMigration[]): Promise<readonly string[]>;
  /**
   * Insert a file that a NativeBlockWriter wrote (`*.native`), columns by their names. The same token inserts once,
   * however often and after whatever crash it is repeated, as long as the table's window of tokens reaches: then also the
   * views behind the table have it once. A file is one transaction per partition that it touches.
   */
  insertFile(file: InsertFile): Promise<void>;
  /** Several of them, one after the other, and nothing else is written in between. What follows one that fails is left out. */
  insertFiles(files: readonly InsertFile[]): Promise<void>;
  /** Rows of one SELECT. `wideIntegers` says how 64-bit integers come; default "bigint". */
  query(query: ColumnarQuery & { readonly wideIntegers?: WideIntegers }, signal?: AbortSignal): Promise<readonly Row[]>;
  /** The bytes of one SELECT in `format`; the engine works as fast as they are taken. */
  stream(query: ColumnarQuery & { readonly format: StreamFormat }, signal?: AbortSignal): AsyncIterable<Uint8Array>;
  stats(): Promise<readonly TableStats[]>;
  /** All rows of one partition, by its id: `20261122` for PARTITION BY toYYYYMMDD(ts). */
  dropPartition(partition: { readonly table: string; readonly partitionId: string }): Promise<void>;
  /** Keep rows for so many days after the time in `column`. Does nothing when that is the table's rule already. */
  setRetention(rule: { readonly table: string; readonly column: string; readonly days: number }): Promise<void>;
  /** Embedded only. @throws DrawbridgeError `COLUMNAR_BACKUP_UNSUPPORTED` for a cluster, which has its own means */
  backup(path: string): Promise<void>;
  restore(path: string): Promise<void>;
}

const exportsAtOnce = 2;
const waitingExports = 8;
const waitingWrites = 64;

/**
 * The columnar store: an embedded engine in a process of its own, or a ClickHouse cluster. `start` waits until the engine
 * answers; later it may go away and come back, and what was asked in the meantime fails with `COLUMNAR_UNAVAILABLE`.
 */
export function openColumnarStore(options: OpenColumnarStoreOptions): ColumnarStore {
  const concurrent = options.maxConcurrentQueries ?? 4;
  // The engine has sixteen threads for statements: the rest are for exports, an insert and their ends.
  if (!Number.isInteger(concurrent) || concurrent < 1 || concurrent > 10) {
    throw new RangeError("maxConcurrentQueries is a whole number from 1 to 10");
  }
  const backups = openEngine(options);
  const { engine } = backups;
  const queries = createAdmission({
    what: "queries",
    concurrent,
    waiting: options.maxWaitingQueries ?? 32,
  });
  const exports = createAdmission({ what: "exports", concurrent: exportsAtOnce, waiting: waitingExports });
  // One at a time: parts of parallel inserts only have to be merged again.
  const writes = createAdmission({ what: "inserts", concurrent: 1, waiting: waitingWrites });

  async function insertFiles(files: readonly InsertFile[]): Promise<void> {
    for (const { table, path, token } of files) {
      assertName(table);
      await assertOwnFile(path);
      if (token === "") throw invalid("COLUMNAR_INSERT_INVALID", "an insert needs a token that is its own");
    }
    await within(writes, undefined, async () => {
      for (const file of files) await engine.insertFile(file);
    });
  }

  return {
    name: engine.name,
    health: engine.health,
    start: (signal) => engine.start(signal),
    stop: (deadline) => engine.stop(deadline),
    migrate: (migrations) => within(writes, undefined, () => migrate(engine, migrations, options.logger)),
    insertFile: (file) => insertFiles([file]),
    insertFiles,
    async query({ wideIntegers, ...query }, signal) {
      const statement = statementOf(query);
      const text = await within(queries, signal, () => engine.query(statement, signal));
      return rowsFromJsonCompact(text, wideIntegers ?? "bigint");
    },
    async *stream({ format, ...query }, signal) {
      const statement = statementOf({ ...query, limits: { ...streamLimits, ...query.limits } });
      const release = await exports.enter(signal);
      try {
        yield* engine.stream(statement, format, signal);
      } finally {
        release();
      }
    },
    stats: () => readTableStats(engine),
    async dropPartition({ table, partitionId }) {
      assertName(table);
      if (!/^[A-Za-z0-9_-]{1,64}$/.test(partitionId)) throw invalidParameter("a partition id that is none");
      const { dialect } = engine;
      const text = `ALTER TABLE ${localTable(table, dialect)} ${onCluster(dialect)} DROP PARTITION ID ${quoteString(partitionId)}`;
      await within(writes, undefined, () => engine.command({ text, parameters: {}, settings: {} }));
    },
    async setRetention(rule) {
      assertName(rule.table);
      assertName(rule.column);
      if (!Number.isInteger(rule.days) || rule.days < 1)
        throw invalidParameter("days that are not a whole number from 1");
      await within(writes, undefined, () => setRetention(engine, rule));
    },
    // Async, so that they reject rather than throw. A backup has all of `insertFiles`, or nothing.
    async backup(path) {
      await within(writes, undefined, () => backups.backup(path));
    },
    async restore(path) {
      await backups.restore(path);
    },
  };
}

interface EngineWithBackups {
  readonly engine: ColumnarEngine;
  backup(path: string): Promise<void>;
  restore(path: string): Promise<void>;
}

function openEngine(options: OpenColumnarStoreOptions): EngineWithBackups {
  if (options.engine.kind === "cluster") {
    return { engine: createClusterEngine(options.engine, options), backup: refuseBackup, restore: refuseBackup };
  }
  const directory = resolve(options.engine.directory);
  const engine: EmbeddedEngine = createEmbeddedEngine(options.engine, options);
  return {
    engine,
    backup: (path) => backUp(engine, path, directory),
    restore: (path) => restore(engine, path, directory),
  };
}

function refuseBackup(): never {
  throw new DrawbridgeError({
    kind: "unimplemented",
    code: "COLUMNAR_BACKUP_UNSUPPORTED",
    message: "a ClickHouse cluster is backed up with its own BACKUP statement",
  });
}

async function within<T>(admission: Admission, signal: AbortSignal | undefined, work: () => Promise<T>): Promise<T> {
  const release = await admission.enter(signal);
  try {
    return await work();
  } finally {
    release();
  }
}

function statementOf({ sql, parameters = {}, limits = {} }: ColumnarQuery) {
  const text = sqlText(sql);
  const named = new Set([...text.matchAll(/\{([A-Za-z_]\w*):/g)].map(([, name = ""]) => name));
  for (const name of named) if (!(name in parameters)) throw invalidParameter(`no value for {${name}}`);
  for (const name of Object.keys(parameters)) {
    if (!named.has(name)) throw invalidParameter(`a value for {${name}}, which is not in it`);
  }
  const texts = Object.entries(parameters).map(([name, value]) => [name, parameterText(value)] as const);
  return { text, parameters: Object.fromEntries(texts), settings: queryLimits(limits) };
}

function assertName(name: string): void {
  if (!isPlainName(name)) throw invalid("COLUMNAR_PARAMETER_INVALID", `"${name}" is no name of a table or column`);
}

/** ClickHouse reads patterns, archives and compression into paths of files; ours have none of that. */
async function assertOwnFile(path: string): Promise<void> {
  const isPlain = isAbsolute(path) && resolve(path) === path && !/[*?{}[\],|'"\\\p{Cc}]|::/u.test(path);
  if (!isPlain || !basename(path).endsWith(".native")) {
    throw invalid("COLUMNAR_INSERT_INVALID", `${path} is no absolute, plain path of a .native file`);
  }
  const found = await lstat(path).catch(() => undefined);
  if (found?.isFile() !== true) throw invalid("COLUMNAR_INSERT_INVALID", `there is no file at ${path}`);
}
