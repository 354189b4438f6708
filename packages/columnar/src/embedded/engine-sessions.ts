import { systemClock } from "@drawbridge/lifecycle";
import { Session, type ChdbQueryStream, type StreamChunk } from "chdb";
import type { EngineFault } from "../columnar-errors.ts";
import { quoteIdentifier, quoteString } from "../literals.ts";
import type { Settings, Statement } from "../statement.ts";
import type { EngineConfiguration } from "./protocol.ts";

/** The engine inside its own process. */
export interface EngineSessions {
  run(id: number, statement: Statement, format: string): Promise<Uint8Array>;
  openStream(id: number, statement: Statement, format: string): Promise<void>;
  /** `undefined` at the end. */
  pull(stream: number): Promise<Uint8Array | undefined>;
  closeStream(stream: number): Promise<void>;
  cancel(id: number): Promise<void>;
  close(): void;
}

interface OpenStream {
  readonly session: Session;
  readonly source: ChdbQueryStream;
  readonly chunks: AsyncIterator<StreamChunk>;
}

/** How long a statement that is to be stopped may go unseen by KILL QUERY: it may not have begun yet. */
const killAgainMs = 50;

/**
 * Each statement gets a session of its own (0.3 ms), because a session keeps what it was told: settings, parameters, and
 * after an error even the beginning of the answer, which it would put before the next one. Parameters are set as
 * settings of that session: chdb's own binding lets one parameterised query run at a time in the whole process.
 */
export async function openEngineSessions(configuration: EngineConfiguration): Promise<EngineSessions> {
  const { dataDirectory, configFile, database, memoryLimitBytes } = configuration;
  const connectionArgs = [`--config-file=${configFile}`, `--max_server_memory_usage=${String(memoryLimitBytes)}`];
  const openSession = (): Session => new Session(dataDirectory, { connectionArgs });
  // It keeps the engine loaded between statements.
  const control = openSession();
  await control.queryAsync(`CREATE DATABASE IF NOT EXISTS ${quoteIdentifier(database)}`);
  const running = new Set<number>();
  const streams = new Map<number, OpenStream>();

  function prelude(id: number, { parameters, settings }: Statement): string {
    const { readonly, ...others } = settings;
    const bound = Object.entries(parameters).map(([name, text]) => [`param_${name}`, text] as const);
    const assignments = [...Object.entries(others), ...bound, ["log_comment", comment(id)] as const];
    const before = `USE ${quoteIdentifier(database)}; SET ${assignments.map(assignment).join(", ")}`;
    // Last, since nothing may be set behind it.
    return readonly === undefined ? before : `${before}; SET readonly = ${String(readonly)}`;
  }

  async function kill(id: number): Promise<void> {
    while (running.has(id)) {
      await control.queryAsync(`KILL QUERY WHERE Settings['log_comment'] = ${quoteString(comment(id))} ASYNC`);
      await systemClock.sleep(killAgainMs);
    }
  }

  /** A piece of it may be on its way, for as long as the whole query takes: it is stopped first. */
  async function closeStream(id: number): Promise<void> {
    const stream = streams.get(id);
    if (stream === undefined) return;
    streams.delete(id);
    await kill(id);
    stream.source.cancel();
    stream.session.close();
  }

  return {
    async run(id, statement, format) {
      const session = openSession();
      running.add(id);
      try {
        const result = await session.queryAsync(`${prelude(id, statement)}; ${statement.text}`, { format });
        return result.bytes();
      } finally {
        running.delete(id);
        session.close();
      }
    },
    async openStream(id, statement, format) {
      const session = openSession();
      try {
        await session.queryAsync(prelude(id, statement));
        const source = session.queryStream(statement.text, { format });
        streams.set(id, { session, source, chunks: source[Symbol.asyncIterator]() });
      } catch (error) {
        session.close();
        throw error;
      }
    },
    async pull(id) {
      const stream = streams.get(id);
      if (stream === undefined) return undefined;
      running.add(id);
      let isOver = true;
      try {
        const next = await stream.chunks.next();
        if (next.done === true) return undefined;
        isOver = false;
        return next.value.raw();
      } finally {
        running.delete(id);
        if (isOver) await closeStream(id);
      }
    },
    closeStream,
    cancel: kill,
    close: () => control.close(),
  };
}

function comment(id: number): string {
  return `drawbridge ${String(id)}`;
}

function assignment([name, value]: readonly [string, Settings[string]]): string {
  return `${name} = ${typeof value === "number" ? String(value) : quoteString(value)}`;
}

/** chdb puts ClickHouse's number of the error beside its text. */
export function faultOf(error: unknown): EngineFault {
  const text = error instanceof Error ? error.message : String(error);
  const code = error instanceof Error && "clickhouseCode" in error ? error.clickhouseCode : undefined;
  return { code: typeof code === "number" ? code : undefined, text };
}
