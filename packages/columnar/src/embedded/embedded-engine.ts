import { createReadStream } from "node:fs";
import { mkdir, rm, writeFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { cryptoRandom, systemClock, uuidV7Ids, type Clock, type Random } from "@drawbridge/lifecycle";
import type { ColumnarEngine, InsertFile, StreamFormat } from "../columnar-engine.ts";
import type { ColumnarLogger } from "../columnar-logger.ts";
import { insertSettings } from "../insert-settings.ts";
import { quoteIdentifier, quoteString } from "../literals.ts";
import { rowsFromJsonCompact } from "../rows.ts";
import type { Statement } from "../statement.ts";
import { withoutRepeatedHeader } from "./csv-header.ts";
import { errorFromEngine, type EngineCall } from "./engine-process.ts";
import { createEngineSupervisor } from "./engine-supervisor.ts";
import { engineConfigurationFile } from "./engine-configuration-file.ts";

export interface EmbeddedEngineOptions {
  readonly kind: "embedded";
  /** Made when missing; holds nothing but this store. One process at a time. */
  readonly directory: string;
  /** What the engine may take in all; more makes its statements fail, not the process. Default 1.5 GB. */
  readonly memoryLimitBytes?: number;
}

export interface EmbeddedEngineDeps {
  readonly logger: ColumnarLogger;
  readonly clock?: Clock;
  readonly random?: Random;
}

export interface EmbeddedEngine extends ColumnarEngine {
  /** Process id of the engine; undefined while there is none. */
  enginePid(): number | undefined;
}

/** The one database of an embedded store. */
export const embeddedDatabase = "drawbridge";
const defaultMemoryLimitBytes = 1_500_000_000;

/** chdb in a process of its own, which is started again when it dies. */
export function createEmbeddedEngine(options: EmbeddedEngineOptions, deps: EmbeddedEngineDeps): EmbeddedEngine {
  const directory = resolve(options.directory);
  const dataDirectory = join(directory, "data");
  const exportDirectory = join(directory, "exports");
  const configFile = join(directory, "engine.xml");
  const supervisor = createEngineSupervisor({
    workingDirectory: directory,
    configuration: {
      dataDirectory,
      configFile,
      database: embeddedDatabase,
      memoryLimitBytes: options.memoryLimitBytes ?? defaultMemoryLimitBytes,
    },
    clock: deps.clock ?? systemClock,
    random: deps.random ?? cryptoRandom,
    logger: deps.logger,
  });

  async function call(work: "read" | "write", request: EngineCall, signal?: AbortSignal): Promise<Buffer> {
    try {
      const { body } = await supervisor.current().call(request, signal);
      return body === undefined ? Buffer.alloc(0) : Buffer.from(body.buffer, body.byteOffset, body.byteLength);
    } catch (error) {
      throw errorFromEngine(error, work);
    }
  }

  async function query(statement: Statement, signal?: AbortSignal): Promise<string> {
    const body = await call("read", { kind: "run", statement, format: "JSONCompact" }, signal);
    return body.toString("utf8");
  }

  async function command(statement: Statement, signal?: AbortSignal): Promise<void> {
    await call("write", { kind: "run", statement, format: "Null" }, signal);
  }

  async function* pull(statement: Statement, format: StreamFormat, signal?: AbortSignal): AsyncGenerator<Uint8Array> {
    const engine = supervisor.current();
    try {
      const { id } = await engine.call({ kind: "openStream", statement, format }, signal);
      // Closing stops a piece that is on its way, which then answers.
      const close = (): void => void engine.call({ kind: "closeStream", stream: id }).catch(() => undefined);
      signal?.addEventListener("abort", close, { once: true });
      try {
        for (;;) {
          const { body } = await engine.call({ kind: "pull", stream: id });
          signal?.throwIfAborted();
          if (body === undefined) return;
          yield body;
        }
      } finally {
        signal?.removeEventListener("abort", close);
        close();
      }
    } catch (error) {
      signal?.throwIfAborted();
      throw errorFromEngine(error, "read");
    }
  }

  /** A Parquet file ends with an index of itself, so it is finished before its first byte is given out. */
  async function* exportFile(
    statement: Statement,
    format: StreamFormat,
    signal?: AbortSignal,
  ): AsyncGenerator<Uint8Array> {
    const path = join(exportDirectory, `${uuidV7Ids.next()}.${format.toLowerCase()}`);
    const { readonly: _writesThisFile, ...settings } = statement.settings;
    const text = `INSERT INTO FUNCTION file(${quoteString(path)}, ${quoteString(format)}) ${statement.text}`;
    try {
      await command({ ...statement, settings, text }, signal);
      yield* createReadStream(path, signal === undefined ? {} : { signal });
    } finally {
      await rm(path, { force: true });
    }
  }

  async function columnsOf(path: string): Promise<readonly string[]> {
    const text = `DESCRIBE TABLE file(${quoteString(path)}, 'Native')`;
    const rows = rowsFromJsonCompact(await query({ text, parameters: {}, settings: {} }), "string");
    return rows.map(({ name }) => String(name));
  }

  return {
    name: "columnar store",
    dialect: { kind: "single" },
    partsTable: "system.parts",
    health: supervisor.health,
    enginePid: () => {
      try {
        return supervisor.current().pid;
      } catch {
        return undefined;
      }
    },
    query,
    command,
    async insertFile({ table, path, token }: InsertFile) {
      const columns = (await columnsOf(path)).map(quoteIdentifier).join(", ");
      await command({
        text:
          `INSERT INTO ${quoteIdentifier(table)} (${columns}) ` +
          `SELECT ${columns} FROM file(${quoteString(path)}, 'Native')`,
        parameters: {},
        settings: insertSettings(token),
      });
    },
    stream(statement, format, signal) {
      switch (format) {
        case "Parquet":
          return exportFile(statement, format, signal);
        case "CSVWithNames":
          return withoutRepeatedHeader(pull(statement, format, signal));
        case "JSONEachRow":
          return pull(statement, format, signal);
      }
    },
    async start(signal) {
      await mkdir(exportDirectory, { recursive: true, mode: 0o700 });
      await mkdir(dataDirectory, { recursive: true, mode: 0o700 });
      await writeFile(configFile, engineConfigurationFile());
      await supervisor.start(signal);
      // The directory is ours: what an earlier process did not finish giving out is nobody's.
      await rm(exportDirectory, { recursive: true });
      await mkdir(exportDirectory, { mode: 0o700 });
    },
    stop: (deadline) => supervisor.stop(deadline),
  };
}
